import { getContext, setContext } from 'svelte';

/** What a control within a `Field` is told of it: the names of its label and of what explains it. */
export type FieldContext = { readonly id: string; readonly describedBy: string | undefined; readonly invalid: boolean };

const KEY = Symbol('field');

export function provideField(field: FieldContext): void {
  setContext(KEY, field);
}

export function field(): FieldContext | undefined {
  return getContext<FieldContext | undefined>(KEY);
}
