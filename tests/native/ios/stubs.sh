#!/usr/bin/env bash
# Inside of the root (tools.sh run): RaliKit as Apple's systems would compile it, against hand-written
# declarations of their frameworks. Compiled with -c, since data races are found then and not by
# -typecheck; nothing is linked or run.
#
#   stubs.sh OUT            # OUT/*.swiftmodule of the frameworks, OUT/ralikit/{RaliCore,RaliKit}.swiftmodule
#   stubs.sh OUT --planted  # the same with faults planted in copies: each must be refused
#
# Prints "ok NAME" or "FAILED NAME" a check; exit 1 where one failed.
set -euo pipefail
out=$1
sources=/src/runtimes/swift/Sources
swift=(swiftc -swift-version 6 -warnings-as-errors -package-name ralikit -I "$out")
failed=0

report() { if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "FAILED $2"; failed=1; fi; }

module() { # NAME FOLDER FILES…: a .swiftmodule and the object code, which is thrown away
    local name=$1 folder=$2; shift 2
    (cd "$folder" && "${swift[@]}" -I "$folder" -parse-as-library -wmo -c -module-name "$name" \
        -emit-module -emit-module-path "$folder/$name.swiftmodule" -o "$folder/$name.o" "$@")
}

mkdir -p "$out/ralikit"
# SwiftPM writes this for a target with resources.
cat >"$out/bundle.swift" <<'SWIFT'
import Foundation
extension Bundle {
  static var module: Bundle { Bundle.main }
}
SWIFT

if [ "${2:-}" != --planted ]; then
    for stub in CryptoKit CoreGraphics CoreML CoreAI ImageIO Accelerate CoreVideo AppIntents; do
        swiftc -swift-version 6 -parse-as-library -I "$out" -emit-module -module-name "$stub" \
            -emit-module-path "$out/$stub.swiftmodule" "/src/runtimes/swift/Tests/Stubs/$stub.swift" 2>"$out/$stub.log" \
            || { cat "$out/$stub.log"; report 1 "stub $stub"; exit 1; }
    done
    module RaliCore "$out/ralikit" "$sources"/RaliCore/*.swift && report 0 "RaliCore with Apple's CryptoKit, -c, type-checked against stubs" \
        || report 1 "RaliCore with Apple's CryptoKit"
    module RaliKit "$out/ralikit" "$sources"/RaliKit/*.swift "$out/bundle.swift" \
        && report 0 "RaliKit with Core ML, Core AI, ImageIO, Core Video and App Intents, -c, type-checked against stubs" \
        || report 1 "RaliKit against stubs"
    exit $failed
fi

# plant NAME FILE OLD NEW WANTED: with OLD replaced in a copy of FILE, the compiler must say WANTED.
plant() {
    local name=$1 file=$2 old=$3 new=$4 wanted=$5 copy=$out/planted
    rm -rf "$copy"; mkdir -p "$copy"
    cp "$sources"/RaliKit/*.swift "$out/bundle.swift" "$copy"
    OLD=$old NEW=$new perl -0777 -pi -e '$n = s/\Q$ENV{OLD}\E/$ENV{NEW}/g; exit 1 if $n != 1' "$copy/$file" \
        || { report 1 "$name: not planted"; return; }
    if "${swift[@]}" -I "$out/ralikit" -parse-as-library -wmo -c -module-name RaliKit -o "$copy/x.o" "$copy"/*.swift 2>"$copy/log"; then
        report 1 "$name: compiled"
    elif grep -q "$wanted" "$copy/log"; then
        report 0 "$name is refused"
    else
        grep error: "$copy/log" | head -n 3; report 1 "$name: refused for another reason"
    fi
}

plant "a wrong label (load(contentOf:))" CoreMLEngine.swift \
    "MLModel.load(contentsOf: compiled" "MLModel.load(contentOf: compiled" "incorrect argument label"
plant "a wrong label (prediction(of:))" CoreMLEngine.swift \
    "model.prediction(from: features)" "model.prediction(of: features)" "incorrect argument label"
plant "a wrong label (loadFunction(name:))" CoreAIEngine.swift \
    "loadFunction(named: Self.function)" "loadFunction(name: Self.function)" "incorrect argument label"
plant "a data race (a model used after it was handed to the actor)" CoreMLEngine.swift \
    "return try CoreMLEngine(model: model, facts: file.facts)" \
    "let engine = try CoreMLEngine(model: model, facts: file.facts); _ = model.modelDescription; return engine" \
    "risks causing data races\|data race\|accessed after being transferred"
plant "a data race (an image shared by two tasks)" AppleImages.swift \
    "try await score(try Photo(image, orientation: orientation))" \
    "Task.detached { _ = image.width }; return try await score(try Photo(image, orientation: orientation))" \
    "risks causing data races\|data race\|accessed after being transferred"
exit $failed
