#!/usr/bin/env bash
# Plants faults in a copy of the app's resources, and expects the checks to name each: faults.sh TOOLS OUT
set -euo pipefail
tools=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
app=$here/../../../android_demo/app/src/main
python=${RALIKIT_PYTHON:-python3}
passed=0 failed=0

plant() { # CHECK FILE SED
    rm -rf "$out/app"
    cp -r "$app" "$out/app"
    sed -i "$3" "$out/app/$2"
    cmp -s "$app/$2" "$out/app/$2" && { echo "FAILED: nothing was planted in $2"; failed=$((failed + 1)); return; }
    "$python" "$here/manifest.py" "$out/app/AndroidManifest.xml" org.ralikit.demo.app >"$out/AndroidManifest.xml"
    "$tools/bin/aapt2" compile --dir "$out/app/res" -o "$out/res.zip"
    "$tools/bin/aapt2" link -I "$tools/framework-res.apk" --manifest "$out/AndroidManifest.xml" --min-sdk-version 24 \
        --target-sdk-version 34 -o "$out/app.apk" "$out/res.zip" 2>/dev/null
    "$python" "$here/checks.py" --app "$out/app" --apk "$out/app.apk" --tools "$tools" >"$out/checks.log" 2>&1 || true
    if grep "^FAILED $1:" "$out/checks.log"; then
        passed=$((passed + 1))
    else
        echo "FAILED: $1 does not see: $3 in $2"
        failed=$((failed + 1))
    fi
}

plant strings res/values-de/strings.xml '/name="pause"/d'
plant strings res/values-de/strings.xml '/name="status_paused"/s/%2\$d/%2$s/'
plant contrast res/values/colors.xml '/name="muted"/s/#FF55584F/#FF8A8D84/'
plant contrast res/values-night/colors.xml '/name="accent"/s/#FF8FD6BA/#FF1F5F4A/'
plant targets res/values/themes.xml 's/>48dp</>40dp</'
plant labels res/layout/main.xml '/contentDescription="@string\/filter"/d'
plant directions res/layout/main.xml '0,/paddingStart/s/paddingStart/paddingLeft/'
plant 'large letters' res/layout/main.xml 's/20sp/20dp/'
plant languages res/xml/locales_config.xml '/"de"/d'
plant permissions AndroidManifest.xml 's|<uses-permission android:name="android.permission.INTERNET" tools:node="remove" />|<uses-permission android:name="android.permission.INTERNET" />|'
plant components AndroidManifest.xml '/android:name=".CaptureProvider"/,/>/s/android:exported="false"/android:exported="true"/'
plant components AndroidManifest.xml 's| tools:node="remove" />| android:exported="false" />|'
plant backup AndroidManifest.xml 's/android:allowBackup="false"/android:allowBackup="true"/'
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
