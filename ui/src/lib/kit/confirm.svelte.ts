export type Question = {
  title: string;
  text: string;
  /** What it concerns, a line each. */
  detail?: string[];
  /** The button that says yes: a verb. */
  action: string;
  danger?: boolean;
  option?: { label: string; value: boolean };
};

export type Verdict = { yes: boolean; option: boolean };

type Asked = { question: Question; answer: (verdict: Verdict) => void };

let queue = $state.raw<Asked[]>([]);

/** Asks the person; questions wait for each other. */
export function confirm(question: Question): Promise<Verdict> {
  return new Promise((resolve) => {
    const asked: Asked = {
      question,
      answer: (verdict) => {
        queue = queue.filter((other) => other !== asked);
        resolve(verdict);
      },
    };
    queue = [...queue, asked];
  });
}

export function question(): Asked | undefined {
  return queue[0];
}
