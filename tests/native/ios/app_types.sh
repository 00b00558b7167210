#!/usr/bin/env bash
# Inside of the root (tools.sh run): the iOS demo as Xcode would compile it, against hand-written declarations of
# Apple's frameworks: RaliKit's (runtimes/swift/Tests/Stubs) and the app's (app_stubs). Compiled in Swift 6
# mode, with -c: races between tasks are found then alone. Nothing is linked or run.
#
#   app_types.sh OUT
#
# Prints "ok NAME" or "FAILED NAME" a check. A stub shows a wrong label, type or isolation; it cannot show that
# Apple's own declaration is another.
set -uo pipefail
out=$1
kit=/src/runtimes/swift demo=/src/ios_demo stubs=/src/tests/native/ios/app_stubs
log=$out/log
mkdir -p "$out/modules"
# Stubs are declarations: their bodies and their globals are nobody's concern.
declared=(swiftc -swift-version 5 -parse-as-library -suppress-warnings -I "$out/modules"
    -emit-module -experimental-skip-non-inlinable-function-bodies)
sources=(swiftc -swift-version 6 -parse-as-library -suppress-warnings -I "$out/modules")

report() { # NAME COMMAND…
    local name=$1; shift
    if "$@" >"$log" 2>&1; then echo "ok types: $name"; else echo "FAILED types: $name"; grep -E 'error:' "$log" | sort -u | head -n 20; return 1; fi
}

emit() { # NAME FILES…
    local name=$1; shift
    "${declared[@]}" -module-name "$name" -emit-module-path "$out/modules/$name.swiftmodule" "$@"
}

stub() { # NAME: of RaliKit's stub, the app's own, and what the app adds
    local name=$1 file files=()
    for file in "$kit/Tests/Stubs/$name.swift" "$stubs/$name.swift" "$stubs/$name+App.swift"; do
        [ -f "$file" ] && files+=("$file")
    done
    emit "$name" "${files[@]}"
}

for name in CryptoKit CoreGraphics CoreML ImageIO Accelerate CoreVideo AppIntents Darwin \
    UniformTypeIdentifiers CoreTransferable UIKit Photos AVFoundation SwiftUI PhotosUI; do
    stub "$name" >"$log" 2>&1 || { echo "FAILED types: stub $name"; grep -E 'error:' "$log" | head -n 5; exit 1; }
done

# SwiftPM writes this for a target with resources.
printf 'import Foundation\nextension Bundle { static var module: Bundle { Bundle.main } }\n' >"$out/bundle.swift"
package=("${sources[@]}" -package-name ralikit -emit-module -experimental-skip-non-inlinable-function-bodies)
for name in RaliCore RaliKit RaliMini; do
    report "$name's interface, for the app" "${package[@]}" -module-name "$name" -emit-module-path "$out/modules/$name.swiftmodule" \
        "$kit/Sources/$name"/*.swift "$out/bundle.swift" || exit 1
done
report "DemoLogic's interface, for the app" "${package[@]}" -module-name DemoLogic \
    -emit-module-path "$out/modules/DemoLogic.swiftmodule" "$demo"/Packages/DemoLogic/Sources/DemoLogic/*.swift || exit 1

# laid FOLDER SOURCES…: copies in which casts between Foundation and Core Foundation are calls, as Linux has none.
laid() {
    local folder=$1; shift
    rm -rf "$folder"; mkdir -p "$folder"
    cp "$@" "$stubs/InApp.swift" "$folder"
    perl -pi -e 's/([\w.]+) as (CF\w+|String)\b/bridged($1) as $2/g; s/NSSortDescriptor\(key:/sortDescriptor(key:/g' "$folder"/*.swift
}

laid "$out/app" "$demo"/App/*.swift "$demo"/Shared/*.swift
laid "$out/share" "$demo"/Share/*.swift "$demo"/Shared/*.swift
report "the app, -c" "${sources[@]}" -wmo -c -module-name RaliDemo -o "$out/app.o" "$out"/app/*.swift
report "the share extension, -c" "${sources[@]}" -wmo -c -module-name RaliDemoShare -o "$out/share.o" "$out"/share/*.swift

# The device's tests, which import the app.
report "the app's interface, for its tests" "${sources[@]}" -enable-testing -emit-module -experimental-skip-non-inlinable-function-bodies \
    -module-name RaliDemo -emit-module-path "$out/modules/RaliDemo.swiftmodule" "$out"/app/*.swift \
    && report "the tests that a Mac runs" "${sources[@]}" -typecheck -module-name RaliDemoTests "$demo"/Tests/*.swift

# plant NAME FOLDER FILE OLD NEW: with OLD replaced, the compiler must refuse it.
plant() {
    local name=$1 folder=$2 file=$3 copy=$out/planted
    rm -rf "$copy"; cp -r "$folder" "$copy"
    OLD=$4 NEW=$5 perl -0777 -pi -e '$n = s/\Q$ENV{OLD}\E/$ENV{NEW}/; exit 1 if !$n' "$copy/$file" \
        || { echo "FAILED planted: $name: there is nothing to change in $file"; return; }
    if "${sources[@]}" -typecheck -module-name Planted "$copy"/*.swift >"$log" 2>&1; then
        echo "FAILED planted: $name: it was not refused"
    else
        echo "ok planted: $name"
    fi
}

plant "a text that is not from the catalog's functions" "$out/app" RankScreen.swift 'Text(Words.Rank.empty)' 'Text(Words.Rank.emty)'
plant "a wrong label of RaliKit's" "$out/app" BenchmarkSession.swift 'modelAt: package' 'model: package'
plant "a state of the scan without its button" "$out/app" LibraryScreen.swift 'case .idle, .finished:' 'case .idle:'
plant "an id handed in place of a photo" "$out/share" ShareViewController.swift 'take(Handed.info(file))' 'take(file)'
plant "a state of the main actor from elsewhere" "$out/app" LibraryModel.swift 'let scan = LibraryScan(journal: Self.journal, model: scorer.model.hash) { photo in' \
    'let scan = LibraryScan(journal: Self.journal, model: scorer.model.hash) { photo in self.trouble = photo.id;'
