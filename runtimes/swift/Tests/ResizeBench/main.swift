// Resizes raw RGB pixels and prints what it took, for resize_ratio.py: file, width, height, then target
// width and height and the number of rounds. Prints JSON: process CPU seconds of every round, and the
// hash of the result.
import Foundation
import RaliCore

let words = CommandLine.arguments
guard words.count == 7, let width = Int(words[2]), let height = Int(words[3]),
  let toWidth = Int(words[4]), let toHeight = Int(words[5]), let rounds = Int(words[6])
else { fatalError("usage: resize-bench FILE WIDTH HEIGHT TO-WIDTH TO-HEIGHT ROUNDS") }

func cpuSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: words[1])))
let photo = try Photo(rgb: bytes, width: width, height: height)
var seconds: [Double] = []
var hash = ""
for _ in 0..<rounds {
  let start = cpuSeconds()
  let resized = try photo.resized(width: toWidth, height: toHeight, filter: .bicubic)
  seconds.append(cpuSeconds() - start)
  hash = Hash.sha256(of: resized.rgb)
}
print("{\"seconds\": \(seconds), \"sha256\": \"\(hash)\"}")
