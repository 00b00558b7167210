#!/usr/bin/env bash
# Builds the app without Gradle: what its build files ask of Gradle, asked of the same tools.
#   app.sh TOOLS LIBRARY MODEL OUT
# TOOLS as tools.sh makes it; MODEL is the file that ships.
# LIBRARY is what library.sh wrote. Writes OUT/{logic.jar,app.jar,dex/,app.apk}.
set -euo pipefail
tools=$1 library=$2 model=$3
mkdir -p "$4"
out=$(cd "$4" && pwd)
cd "$(dirname "$0")/../../.."
kt=$tools/kotlin/lib
src=android_demo/app/src/main
id=org.ralikit.demo.app
runtime=$kt/kotlin-stdlib.jar:$kt/kotlinx-coroutines-core-jvm.jar:$library/ralikit.jar
rm -rf "$out/gen" "$out/r" "$out/dex" "$out/apk" "$out/stubs.jar" "$out"/*.apk "$out/res.zip"
mkdir -p "$out/gen" "$out/dex" "$out/apk/lib/arm64-v8a" "$out/assets"

echo "app: logic"
# Without an Android class in sight: the logic is plain Kotlin.
[ "$out/logic.jar" -nt "$library/ralikit.jar" ] && [ -z "$(find android_demo/logic/src/main -newer "$out/logic.jar" -type f)" ] ||
    "$tools/kotlinc" -jvm-target 1.8 -Werror -cp "$runtime" -module-name logic -d "$out/logic.jar" android_demo/logic/src/main/kotlin

echo "app: resources at API 34"
# Gradle merges manifests; aapt2 takes one, so what only tells Gradle what to leave out goes.
python3 tests/native/android/manifest.py "$src/AndroidManifest.xml" "$id" >"$out/AndroidManifest.xml"
"$tools/bin/aapt2" compile --dir "$src/res" -o "$out/res.zip"
cp "$model" "$out/assets/mini-int8.onnx"
"$tools/bin/aapt2" link -I "$tools/framework-res.apk" --manifest "$out/AndroidManifest.xml" --java "$out/gen" \
    --min-sdk-version 24 --target-sdk-version 34 --version-code 1 --version-name 0.1 -A "$out/assets" -0 .onnx \
    -o "$out/linked.apk" "$out/res.zip"

echo "app: Kotlin against API 34"
mkdir -p "$out/r"
javac -nowarn -source 8 -target 8 -d "$out/r" $(find "$out/gen" -name R.java) 2>&1 | grep -v 'warning' || true
"$tools/kotlinc" -jvm-target 1.8 -Xjdk-release=8 -Werror -module-name app -d "$out/app.jar" \
    -cp "$tools/android-34.jar:$runtime:$library/ralikit-android.jar:$out/logic.jar:$out/r" "$src/kotlin"

echo "app: R8"
(cd "$library/stubs" && zip -qr "$out/stubs.jar" .) # android.system, which is in another list than API 34's
jdk=$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")
[ -f "$out/java-8.jar" ] || python3 tests/native/android/java8.py "$jdk" "$out/java-8.jar"
"$tools/r8" --release --min-api 24 --lib "$tools/android-34.jar" --lib "$out/stubs.jar" --lib "$out/java-8.jar" \
    --pg-conf tests/native/android/platform-rules.pro \
    --pg-conf runtimes/kotlin/android/consumer-rules.pro --pg-conf android_demo/app/proguard-rules.pro --pg-map-output "$out/mapping.txt" \
    --output "$out/dex" "$out/app.jar" "$out/logic.jar" "$library/ralikit.jar" "$library/ralikit-android.jar" \
    "$tools/classes.jar" "$kt/kotlin-stdlib.jar" "$kt/kotlinx-coroutines-core-jvm.jar" 2>"$out/r8.log" ||
    { tail -n 30 "$out/r8.log"; exit 1; }

echo "app: APK"
cp "$tools"/jni/arm64-v8a/*.so "$out/apk/lib/arm64-v8a/"
cp "$out"/dex/classes*.dex "$out/apk/"
cp "$out/linked.apk" "$out/unaligned.apk"
# Stored, not deflated: the loader maps libraries from the APK itself (extractNativeLibs="false").
(cd "$out/apk" && zip -qr0 ../unaligned.apk lib && zip -q ../unaligned.apk classes*.dex)
python3 tests/native/android/align.py "$out/unaligned.apk" "$out/aligned.apk"
[ -f "$out/debug.keystore" ] || keytool -genkeypair -keystore "$out/debug.keystore" -storepass android -keypass android -alias debug \
    -keyalg RSA -keysize 2048 -validity 10000 -dname CN=debug >/dev/null 2>&1
"$tools/bin/apksigner" sign --ks "$out/debug.keystore" --ks-pass pass:android --min-sdk-version 24 \
    --v1-signing-enabled false --v2-signing-enabled true --v3-signing-enabled true --out "$out/app.apk" "$out/aligned.apk"
