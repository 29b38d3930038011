import type { Accelerator } from '$lib/api/generated/daemon';
import type { Settings } from './settings/settings';

/** What to try, the first one first. */
export function offered(settings: Settings): Accelerator[] {
  const chosen = settings.get('accelerator');
  if (chosen !== 'auto') return [chosen as Accelerator];
  const order = settings.get('accelerator_order');
  return order === '' ? ['kvm', 'tcg'] : (order.split(',') as Accelerator[]);
}
