import { t } from '$lib/i18n/index.svelte';
import { calledOff, say, words } from '$lib/kit/toasts.svelte';

/**
 * Tells a person of failures that nothing in the pages dealt with, rather than leave a press of a button without any effect to be seen.
 * Until the function that it gives is called.
 */
export function catchFailures(): () => void {
  const tell = (failure: unknown) => {
    // Without an error object it is the browser's own word on layout (`ResizeObserver loop…`), of no consequence.
    if (failure instanceof Error && !calledOff(failure))
      say({ tone: 'bad', text: t().shell.internal, detail: words(failure) });
  };
  const thrown = (event: ErrorEvent) => tell(event.error);
  const rejected = (event: PromiseRejectionEvent) => tell(event.reason);
  addEventListener('error', thrown);
  addEventListener('unhandledrejection', rejected);
  return () => {
    removeEventListener('error', thrown);
    removeEventListener('unhandledrejection', rejected);
  };
}
