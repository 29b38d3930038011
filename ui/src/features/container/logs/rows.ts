/**
 * How many rows on the screen each line takes, and so where it is: a ring of heights with sums of chunks, so that adding, dropping and
 * finding cost nothing to speak of with 100,000 lines.
 */
const CHUNK = 256;

export class Rows {
  readonly #heights: Uint32Array;
  readonly #sums: Float64Array;
  #first = 0;
  #end = 0;
  #total = 0;

  constructor(capacity: number) {
    const chunks = Math.ceil(capacity / CHUNK) + 2;
    this.#heights = new Uint32Array(chunks * CHUNK);
    this.#sums = new Float64Array(chunks);
  }

  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#end;
  }

  /** Rows of all lines together. */
  get total(): number {
    return this.#total;
  }

  /** Forgets everything; the next line has the id `first`. */
  restart(first: number): void {
    this.#first = this.#end = first;
    this.#total = 0;
    this.#sums.fill(0);
  }

  append(rows: number): void {
    this.#heights[this.#end % this.#heights.length] = rows;
    this.#add(this.#end, rows);
    this.#end++;
  }

  /** Drops the lines before `id`; returns how many rows went. */
  dropTo(id: number): number {
    const before = this.#total;
    for (; this.#first < Math.min(id, this.#end); this.#first++) {
      this.#add(this.#first, -this.#heights[this.#first % this.#heights.length]!);
    }
    return before - this.#total;
  }

  at(id: number): number {
    return this.#heights[id % this.#heights.length]!;
  }

  set(id: number, rows: number): void {
    if (id < this.#first || id >= this.#end) return;
    const at = id % this.#heights.length;
    this.#add(id, rows - this.#heights[at]!);
    this.#heights[at] = rows;
  }

  /** Rows above the line `id`. */
  above(id: number): number {
    let sum = 0;
    const last = Math.floor(id / CHUNK);
    for (let chunk = Math.floor(this.#first / CHUNK); chunk < last; chunk++)
      sum += this.#sums[chunk % this.#sums.length]!;
    for (let one = Math.max(this.#first, last * CHUNK); one < id; one++) sum += this.at(one);
    return sum;
  }

  /** The line that covers `row`, counted from the top; the last one for what is below. */
  lineAt(row: number): number {
    if (this.#first === this.#end) return this.#first;
    let left = Math.max(0, row);
    let chunk = Math.floor(this.#first / CHUNK);
    const last = Math.floor((this.#end - 1) / CHUNK);
    for (; chunk < last; chunk++) {
      const sum = this.#sums[chunk % this.#sums.length]!;
      if (left < sum) break;
      left -= sum;
    }
    let id = Math.max(this.#first, chunk * CHUNK);
    for (; id < this.#end - 1; id++) {
      const rows = this.at(id);
      if (left < rows) break;
      left -= rows;
    }
    return id;
  }

  #add(id: number, rows: number): void {
    this.#sums[Math.floor(id / CHUNK) % this.#sums.length]! += rows;
    this.#total += rows;
  }
}
