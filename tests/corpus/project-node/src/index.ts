const a: string = "a";
