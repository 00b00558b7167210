/** Shapes shared by the modules; not part of the package's interface. */

/** What a photo's file says before it is decoded. */
export interface PhotoFile {
  kind: "jpeg" | "png" | "webp" | "gif" | "bmp" | "avif" | "heic" | "tiff" | "unknown";
  /** As stored, before any turning; null where not read. */
  width: number | null;
  height: number | null;
  pixels: "gray" | "rgb" | "cmyk" | null;
  /** EXIF, 1 to 8. */
  orientation: number;
  /** Seconds since 1970 on the camera's own clock; null: not said. */
  taken: number | null;
  profile: Uint8Array | null;
  profileDeflated: boolean;
  hdr: "PQ" | "HLG" | null;
  /** A PNG's primaries and transfer (cICP); they go before a profile. */
  coded: [number, number] | null;
}

/** Three curves and a matrix, multiplied out: products[i][j][v] = M[i][j] * lin[j][v]. */
export interface Shaper {
  kind: "shaper";
  products: Float64Array[][];
}

export interface GrayCurve {
  kind: "gray";
  table: Uint8Array;
}

/** What an embedded profile asks for; `conversion` null: it is sRGB already. */
export interface Profile {
  space: "RGB" | "GRAY" | "CMYK";
  transfer: "SDR" | "PQ" | "HLG";
  conversion: Shaper | GrayCurve | "lut" | null;
}

export interface EngineOptions {
  /** Absolute URL of onnxruntime-web's dist folder. */
  ort: string;
  backend?: "auto" | "wasm" | "webgpu";
  threads?: number;
  warmUp?: boolean;
  litert?: import("../index.d.ts").LiteRt;
}
