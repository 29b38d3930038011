import { t } from '$lib/i18n/index.svelte';
import { say } from '$lib/kit/toasts.svelte';

/** Puts a text that is only made when asked for on the clipboard, and says so. */
export async function copy(text: () => string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text());
    say({ tone: 'good', text: t().kit.copied });
  } catch (error) {
    say({ tone: 'bad', text: t().kit.copyFailed, detail: error instanceof Error ? error.message : undefined });
  }
}
