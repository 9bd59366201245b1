/** Offers a file that the page has read as a download. */

/** How long the browser may need until it reads the file, in milliseconds. */
const KEPT_FOR = 10_000;

export function saveFile(content: Blob, name: string): void {
    const address = URL.createObjectURL(content);
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), KEPT_FOR);
}
