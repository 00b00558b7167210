#!/usr/bin/env bash
# Tests of the app's logic on this JVM, ten thousand photos in 48 MB of heap: logic.sh TOOLS LIBRARY APP
# (folders as app.sh leaves them). Writes APP/record.jsonl, the record of a made benchmark.
set -euo pipefail
tools=$1 library=$2 app=$3
cd "$(dirname "$0")/../../.."
kt=$tools/kotlin/lib
cp=$kt/kotlin-stdlib.jar:$kt/kotlinx-coroutines-core-jvm.jar:$library/ralikit.jar:$app/logic.jar:$tools/junit4.jar:$tools/hamcrest.jar
tests=android_demo/logic/src/test/kotlin
"$tools/kotlinc" -jvm-target 1.8 -Werror -cp "$cp" -Xfriend-paths="$app/logic.jar" -module-name logic-test -d "$app/logic-test.jar" "$tests"
names=$(cd "$tests" && find . -name '*Test.kt' | sed 's|^\./||; s|\.kt$||; s|/|.|g' | sort)
# shellcheck disable=SC2086
java -Xmx48m -XX:+UseSerialGC -Dralikit.record="$app/record.jsonl" -cp "$cp:$app/logic-test.jar" org.junit.runner.JUnitCore $names \
    >"$app/logic.log" 2>&1 || true
grep -vE '^\s+at (org\.junit|java\.|jdk\.)' "$app/logic.log" | head -n 60
if ok=$(grep -E '^OK \([0-9]+ tests?\)' "$app/logic.log"); then
    echo "$(echo "$ok" | tr -dc 0-9) passed, 0 failed"
elif run=$(grep -E '^Tests run: ' "$app/logic.log"); then
    all=$(echo "$run" | sed 's/Tests run: \([0-9]*\),.*/\1/')
    bad=$(echo "$run" | sed 's/.*Failures: \([0-9]*\).*/\1/')
    echo "$((all - bad)) passed, $bad failed"
    exit 1
else
    exit 1
fi
