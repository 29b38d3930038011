import { expect } from '@playwright/test';
import { docker, test } from './docker';

test('interleaves the logs of a project’s services as they were written', async ({ page, mine }) => {
  const begin = (service: string, script: string) =>
    docker(
      ...['run', '-d', '--init', '--name', `${mine}-${service}`],
      ...['--label', `com.docker.compose.project=${mine}`, '--label', `com.docker.compose.service=${service}`],
      ...['busybox', 'sh', '-c', script],
    );
  await begin('early', 'echo first; sleep 1000');
  await expect.poll(() => docker('logs', `${mine}-early`)).toContain('first');
  await begin('late', 'echo second; while ! test -e /go; do sleep 0.1; done; echo third; sleep 1000');
  await page.goto(`/#/projects/${mine}/logs`);
  const lines = page.getByRole('log').locator('[data-id]');
  await expect(lines).toHaveText([/early.*first/, /late.*second/]);
  await docker('exec', `${mine}-late`, 'touch', '/go');
  await expect(lines).toHaveText([/early.*first/, /late.*second/, /late.*third/]);
  const services = page.getByRole('group', { name: 'Services shown' });
  await services.getByRole('button', { name: 'early' }).dblclick();
  await expect(lines).toHaveText([/early.*first/]);
});
