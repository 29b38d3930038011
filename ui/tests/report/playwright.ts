import type { FullResult, Reporter, TestCase, TestError, TestResult } from '@playwright/test/reporter';
import { line, summary, type Outcome } from './lines.ts';

/** Playwright's tests in the words of `lines.ts`. */
export default class Lines implements Reporter {
  #begun = Date.now();
  #outcomes: Outcome[] = [];

  onTestEnd(test: TestCase, result: TestResult): void {
    const reason = test.annotations.find(({ type }) => type === 'skip')?.description;
    const said = result.errors.map((error) => error.stack ?? error.message ?? error.value ?? '').join('\n');
    this.#tell({
      name: test.titlePath().filter(Boolean).join(' '),
      outcome: result.status === 'skipped' ? 'ignored' : test.ok() ? 'ok' : 'FAILED',
      why: result.status === 'skipped' ? reason : said,
    });
  }

  onError(error: TestError): void {
    this.#tell({ name: 'outside of any test', outcome: 'FAILED', why: error.stack ?? error.message });
  }

  onEnd(result: FullResult): void {
    // A run that was stopped is not a good one, whatever its tests said until then.
    if (result.status === 'timedout' || result.status === 'interrupted')
      this.#tell({ name: 'the run as a whole', outcome: 'FAILED', why: result.status });
    process.stdout.write(summary(this.#outcomes, (Date.now() - this.#begun) / 1000));
  }

  printsToStdio(): boolean {
    return true;
  }

  #tell(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    process.stdout.write(`${line(outcome)}\n`);
  }
}
