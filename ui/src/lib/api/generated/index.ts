// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

export type * from "./container";
export type * from "./event";
export type * from "./exec";
export type * from "./host_config";
export type * from "./image";
export type * from "./inspect";
export type * from "./mount";
export type * from "./network";
export type * from "./progress";
export type * from "./registry";
export type * from "./shapes";
export type * from "./stats";
export type * from "./system";
export type * from "./volume";
