import { locale } from './index.svelte';
import { Catalogue } from './sentences';

/** Longer is no sentence but a whole log, in which looking for patterns takes its time. */
const LONGEST = 4000;

let chinese = $state.raw<Catalogue>();
let loading: Promise<void> | undefined;

/** What the daemon or the engine said in English, in the language of the pages; what nobody has translated stays as it is. */
export function sentence(english: string): string {
  if (locale() !== 'zh-CN' || english.length > LONGEST) return english;
  if (chinese) return chinese.translate(english);
  // Not awaited: what shows the sentence is drawn again when its translation is there.
  void sentencesLoaded();
  return english;
}

/** Loads the translations, which pages in English never need. */
export function sentencesLoaded(): Promise<void> {
  loading ??= import('virtual:sentences/zh-CN').then(
    ({ default: pairs }) => {
      chinese = new Catalogue(pairs);
    },
    () => {
      // The words are readable as they are; the next sentence tries again.
      loading = undefined;
    },
  );
  return loading;
}
