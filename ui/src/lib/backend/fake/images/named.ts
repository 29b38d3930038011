import type { Call } from '../core/call';
import { invalid } from '../core/failure';
import { Reference } from './reference';

/** The name that a new image gets, from `repo` and `tag`; none without `repo`. */
export function named(call: Call): Reference | undefined {
  const repo = call.filled('repo');
  if (repo === undefined) return undefined;
  const reference = Reference.parse(repo);
  if (reference.digest !== undefined) throw invalid('cannot import digest reference');
  const tag = call.filled('tag');
  return tag === undefined ? reference.orLatest() : withTag(reference, tag);
}

/** A repository with a tag or digest beside it, which replaces one in the name. */
export function asked(repo: string, tag: string | undefined): Reference {
  const reference = Reference.parse(repo);
  if (tag === undefined) return reference;
  if (!tag.includes(':')) return withTag(reference, tag);
  const digest = Reference.parse(`${reference.familiarName}@${tag}`);
  if (digest.name !== reference.name) throw invalid('invalid tag format');
  return digest;
}

// In one text with the name, a slash would make the tag a part of it.
function withTag(reference: Reference, tag: string): Reference {
  const tagged = reference.withTag(tag);
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(tag)) throw invalid('invalid tag format');
  return tagged;
}
