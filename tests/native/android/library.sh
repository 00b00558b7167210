#!/usr/bin/env bash
# Compiles the Kotlin library and runs its tests on this machine's JVM:
#
#   library.sh TOOLS_DIR ARTIFACTS_DIR OUT
#
# TOOLS_DIR is what tools.sh printed, ARTIFACTS_DIR what tests/native/artifacts.sh filled with fp32, fp16, int8,
# int8-weights and reasons. Writes OUT/ralikit.jar (core and onnx) and OUT/ralikit-android.jar. The android module is
# checked against API 34's types, ONNX Runtime's own classes and a stub of LiteRT's. The last line is
# `N passed, N failed`.
set -euo pipefail
[ $# -eq 3 ] || { echo "usage: $0 TOOLS_DIR ARTIFACTS_DIR OUT" >&2; exit 2; }
tools=$(cd "$1" && pwd)
artifacts=$(cd "$2" && pwd)
mkdir -p "$3"
out=$(cd "$3" && pwd)
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
kotlin=$repo/runtimes/kotlin
lib=$tools/kotlin/lib
coroutines=$lib/kotlinx-coroutines-core-jvm.jar
junit=$tools/junit4.jar:$tools/hamcrest.jar:$lib/kotlin-test.jar:$lib/kotlin-test-junit.jar
# Java 8's own API and no later one: what a phone of the lowest version has is a part of it.
flags=(-jvm-target 1.8 -Xjdk-release=8 -Werror)

compile() { # JAR CLASSPATH ARGUMENT...
    local jar=$1 path=$2
    shift 2
    "$tools/kotlinc" -cp "$path" -d "$jar.draft.jar" "$@"
    mv "$jar.draft.jar" "$jar"
}

stamp=$(cat "$tools/.stamp" 2>/dev/null; find "$kotlin" -name '*.kt' -print0 | sort -z | xargs -0 sha256sum)
if [ "$(cat "$out/.library" 2>/dev/null)" != "$stamp" ]; then
    rm -f "$out/.library"
    echo "library: core and onnx"
    compile "$out/ralikit.jar" "$coroutines:$tools/classes.jar" "${flags[@]}" -Xexplicit-api=strict \
        "$kotlin/core/src/main/kotlin" "$kotlin/onnx/src/main/kotlin"
    echo "library: android"
    rm -rf "$out/stubs"
    mkdir -p "$out/stubs"
    javac -nowarn -Xlint:-options --release 8 -d "$out/stubs" $(find "$kotlin/android/src/stubs/java" -name '*.java')
    compile "$out/litert-stub.jar" "$lib/kotlin-stdlib.jar" "${flags[@]}" "$kotlin/android/src/stubs/kotlin"
    compile "$out/ralikit-android.jar" \
        "$out/ralikit.jar:$out/litert-stub.jar:$out/stubs:$coroutines:$tools/android-34.jar:$tools/classes.jar" \
        "${flags[@]}" -Xexplicit-api=strict "$kotlin/android/src/main/kotlin"
    echo "library: tests"
    compile "$out/ralikit-tests.jar" "$out/ralikit.jar:$tools/classes.jar:$coroutines:$junit" \
        -jvm-target 1.8 "-Xfriend-paths=$out/ralikit.jar" "$kotlin/core/src/test/kotlin" "$kotlin/onnx/src/test/kotlin"
    echo "$stamp" >"$out/.library"
fi

echo "library: ktlint"
(cd "$kotlin" && "$tools/ktlint" --log-level=error '**/*.kt' '**/*.kts')

runtime=$out/ralikit.jar:$out/ralikit-tests.jar:$tools/classes.jar:$coroutines:$lib/kotlin-stdlib.jar:$junit
java_args=(-XX:+UseSerialGC -Djava.awt.headless=true -cp "$runtime")

photo=$(mktemp --suffix=.png)
trap 'rm -f "$photo"' EXIT
java "${java_args[@]}" -Xmx600m org.ralikit.HeapCheck make "$photo"
java "${java_args[@]}" -Xmx120m org.ralikit.HeapCheck score "$photo"

echo "library: for the resize's time beside Pillow's, on a quiet machine:"
echo "  PYTHONPATH=src python tests/native/android/resize_ratio.py java -XX:+UseSerialGC -XX:-BackgroundCompilation -cp $runtime org.ralikit.ResizeBench"

# ONNX Runtime 1.29's native half cannot run int8 files on x86 (OnnxEngineFactory says why): the Python package's is
# later, and the Java half works with it.
native=$tools/linux
exact=()
python=${RALIKIT_PYTHON:-$([ -x "$repo/.venv/bin/python" ] && echo "$repo/.venv/bin/python" || echo python3)}
later=$("$python" -c 'import glob, onnxruntime as o; print(glob.glob(o.__path__[0] + "/capi/libonnxruntime.so.*")[0])' 2>/dev/null || true)
if [ -n "$later" ]; then
    native=$out/native
    mkdir -p "$native"
    cp "$tools"/linux/* "$native/"
    cp "$later" "$native/libonnxruntime.so"
    exact=(-Dralikit.exactSums=true)
    echo "library: scoring with ${later##*/}"
fi

java "${java_args[@]}" -Xmx800m "-Dralikit.golden=$repo/runtimes/golden" "-Dralikit.models=$artifacts" \
    "-Donnxruntime.native.path=$native" "${exact[@]}" org.ralikit.RunTestsKt "$out/ralikit-tests.jar"
