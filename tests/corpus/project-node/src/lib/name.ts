export const n: string = "n";
