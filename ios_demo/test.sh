#!/usr/bin/env bash
# The app's tests on a Mac, one command: golden pixels, parity with Python, the app's own parts.
#
#   ios_demo/test.sh                                     # the newest iPhone simulator
#   ios_demo/test.sh 'platform=iOS,name=My iPhone'       # a device: add DEVELOPMENT_TEAM=ABCDE12345 in front
#
# Only a device says anything about its neural engine.
set -euo pipefail
cd "$(dirname "$0")"

command -v xcodebuild >/dev/null || { echo "SKIPPED: xcodebuild needs a Mac with Xcode 16 or later"; exit 77; }
[ -f Tests/Parity/scores.json ] || ./prepare.sh

destination=${1:-}
if [ -z "$destination" ]; then
    name=$(xcrun simctl list devices available | sed -n 's/^ *\(iPhone [^(]*[^( ]\) (.*/\1/p' | tail -n 1)
    [ -n "$name" ] || { echo "no iPhone simulator is installed: add one in Xcode's settings" >&2; exit 1; }
    destination="platform=iOS Simulator,name=$name"
fi
xcodebuild test -project RaliDemo.xcodeproj -scheme RaliDemo -destination "$destination" \
    ${DEVELOPMENT_TEAM:+DEVELOPMENT_TEAM="$DEVELOPMENT_TEAM" -allowProvisioningUpdates}
