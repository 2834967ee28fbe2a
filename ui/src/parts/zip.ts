/**
 * Several files as one zip, stored and not compressed: a folder goes to the server as one upload and is read there. The
 * contents stay where the browser has them; each is read once, for its checksum, and streamed when the zip is sent.
 */

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = (TABLE[(c ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** The zip of these files, names as UTF-8; they must be below 4 GB together and fewer than 65,535. `onDone`: how many are packed. */
export async function zipOf(files: readonly { name: string; content: Blob }[], onDone: (n: number) => void = () => undefined): Promise<Blob> {
  const parts: BlobPart[] = [];
  const index: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const [n, { name, content }] of files.entries()) {
    const bytes = new Uint8Array(await content.arrayBuffer());
    onDone(n);
    const path = new TextEncoder().encode(name);
    // Version 2.0, names in UTF-8, stored, 1980-01-01, sum, both sizes, length of the name.
    const common = new Uint8Array(26);
    const view = new DataView(common.buffer);
    view.setUint16(0, 20, true);
    view.setUint16(2, 0x0800, true);
    view.setUint16(8, 0x0021, true);
    view.setUint32(10, crc32(bytes), true);
    view.setUint32(14, bytes.length, true);
    view.setUint32(18, bytes.length, true);
    view.setUint16(22, path.length, true);
    parts.push(Uint8Array.of(0x50, 0x4b, 3, 4), common, path, content);
    const rest = new Uint8Array(14);
    new DataView(rest.buffer).setUint32(10, at, true);
    index.push(Uint8Array.of(0x50, 0x4b, 1, 2, 20, 0), common, rest, path);
    at += 30 + path.length + bytes.length;
  }
  const end = new Uint8Array(22);
  const view = new DataView(end.buffer);
  view.setUint32(0, 0x06054b50, true);
  view.setUint16(8, files.length, true);
  view.setUint16(10, files.length, true);
  view.setUint32(12, index.reduce((sum, each) => sum + each.length, 0), true);
  view.setUint32(16, at, true);
  return new Blob([...parts, ...index, end], { type: "application/zip" });
}
