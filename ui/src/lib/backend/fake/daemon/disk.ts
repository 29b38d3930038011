/** A machine's data disk: whether it is there, how large it is, and whether anything is on it. */
export class Disk {
  #gib: number | undefined;
  /** Holds the images that ship with the machine; until then it is to be formatted. */
  #furnished = false;

  get is(): boolean {
    return this.#gib !== undefined;
  }

  get furnished(): boolean {
    return this.#furnished;
  }

  /** Makes it, or lets it grow; why not, as it never shrinks. */
  prepare(wanted: number): string | undefined {
    const there = this.#gib;
    if (there !== undefined && there > wanted)
      return (
        `the data disk has ${there} GiB and cannot shrink to ${wanted} GiB: ` +
        `run \`berth config set disk_gib ${there}\`, or \`berth reset\` to begin with an empty disk`
      );
    this.#gib = wanted;
    return undefined;
  }

  furnish(): void {
    this.#furnished = true;
  }

  /** Only a boot brings the images that ship with the machine back. */
  strip(): void {
    this.#furnished = false;
  }

  remove(): void {
    this.#gib = undefined;
    this.#furnished = false;
  }
}
