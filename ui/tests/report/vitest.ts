import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { line, summary, type Outcome } from './lines.ts';

/** Vitest's tests in the words of `lines.ts`. */
export default class Lines implements Reporter {
  #begun = Date.now();
  #outcomes: Outcome[] = [];

  onTestCaseResult(test: TestCase): void {
    const { state, errors } = test.result();
    const note = state === 'skipped' ? test.result() : undefined;
    this.#tell({
      name: `${test.module.relativeModuleId} ${test.fullName}`,
      outcome: state === 'passed' ? 'ok' : state === 'skipped' ? 'ignored' : 'FAILED',
      why: note && 'note' in note ? note.note : errors?.map((error) => error.stack ?? error.message).join('\n'),
    });
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly { message: string; stack?: string }[]): void {
    // A file that could not even be read has no tests to fail.
    for (const module of modules) {
      const broken = module.errors();
      if (broken.length > 0)
        this.#tell({
          name: module.relativeModuleId,
          outcome: 'FAILED',
          why: broken.map((error) => error.stack ?? error.message).join('\n'),
        });
    }
    for (const error of errors)
      this.#tell({ name: 'outside of any test', outcome: 'FAILED', why: error.stack ?? error.message });
    process.stdout.write(summary(this.#outcomes, (Date.now() - this.#begun) / 1000));
  }

  #tell(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    process.stdout.write(`${line(outcome)}\n`);
  }
}
