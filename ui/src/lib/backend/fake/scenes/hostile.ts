/** Names, labels, variables and logs by somebody who wants the window to do what it should not. */
import type { World } from '../world';
import { encode } from '../process/process';
import { HOUR, MINUTE, over, run } from './build';

const SCRIPT = '<img src=x onerror="window.hacked=true">';
const CLOSE = '</script><script>window.hacked=true</script>';
const RIGHT_TO_LEFT = '\u202egnp.exe';
const CONTROL = 'a\u0000b\u0007c\u001b[31md\r\ne\tf';
const EMOJI = '👩‍👩‍👧‍👦🏳️‍🌈 Ⅷ ﷽ z̷̛̠a̸͎͒l̵͍̏g̵̟̽o̴̗͝';
const LONG = 'very-long-'.repeat(400);

export function hostile(world: World): void {
  const labels: Record<string, string> = {
    'com.docker.compose.project': `${SCRIPT}`,
    'com.docker.compose.service': `"><svg/onload=window.hacked=true>`,
    [SCRIPT]: CLOSE,
    'javascript:window.hacked=true': 'javascript:window.hacked=true',
    'org.opencontainers.image.source': 'javascript:window.hacked=true',
    'org.opencontainers.image.title': RIGHT_TO_LEFT,
    __proto__x: 'constructor',
    constructor: 'prototype',
    control: CONTROL,
    emoji: EMOJI,
    long: LONG,
  };
  const env = [
    `HTML=${SCRIPT}`,
    `RTL=${RIGHT_TO_LEFT}`,
    `CONTROL=${CONTROL}`,
    `EMPTY=`,
    `EQUALS=a=b=c`,
    `EMOJI=${EMOJI}`,
    `LONG=${LONG}`,
    'NAME_ALONE',
  ];
  const first = run(world, {
    name: 'markup',
    image: 'nginx:1.27',
    ago: HOUR,
    labels,
    env,
    command: ['nginx', SCRIPT, CONTROL, EMOJI],
  });
  // The engine would not have made such a name; what answers need not be this engine.
  first.name = `${SCRIPT}${RIGHT_TO_LEFT}`;
  const long = run(world, { name: 'long', image: 'busybox:latest', ago: HOUR, command: ['sleep', 'infinity'] });
  long.name = `long-${LONG}`;
  const logs = run(world, {
    name: 'ten-megabytes',
    image: 'busybox:latest',
    ago: 10 * MINUTE,
    command: ['sleep', 'infinity'],
  });
  logs.log.write('stdout', encode('before the long line\n'));
  logs.log.write('stdout', encode(`${'0123456789abcdef'.repeat(655_360)}\n`));
  logs.log.write('stdout', encode('after the long line\n'));
  tricks(world);
  images(world);
  const volume = world.volumes.create({ name: 'plain' });
  volume.labels = { [SCRIPT]: CLOSE };
  world.networks.create({ Name: `${SCRIPT}`, Labels: labels });
  const ended = run(world, { name: 'ended', image: 'busybox:latest', ago: HOUR, command: ['sleep', 'infinity'] });
  over(world, ended, 137, MINUTE);
  if (ended.state.is === 'exited') ended.state.exit.error = `${SCRIPT}${CONTROL}`;
  files(world);
  builds(world);
}

/** What terminals can be told: titles, links, movements, clearing, colours without an end, bytes that are no text. */
function tricks(world: World): void {
  const container = run(world, {
    name: 'escapes',
    image: 'busybox:latest',
    ago: 10 * MINUTE,
    command: ['sleep', 'infinity'],
  });
  const lines: (string | Uint8Array)[] = [
    '\x1b]0;title of the window\x07after a title',
    '\x1b]8;;javascript:window.hacked=true\x1b\\a link\x1b]8;;\x1b\\',
    '\x1b[2J\x1b[Hcleared',
    '\x1b[999;999Hfar away',
    '\x1b[1A\x1b[2Koverwritten',
    'progress 10%\rprogress 90%\rdone',
    '\x1b[31mred without an end',
    'is this still red?',
    '\x1b[38;5;208morange\x1b[0m \x1b[48;2;10;200;30m\x1b[38;2;255;255;255mtrue colour\x1b[0m \x1b[1;4;7mbold underlined inverse\x1b[0m',
    '\x1b[8mhidden\x1b[0m',
    '\x1b]52;c;aGFja2Vk\x07clipboard',
    '\x1b[6n\x1b[c\x1b[>q asks',
    '\x1bP$q"p\x1b\\\x1b_apc\x1b\\\x1b^pm\x1b\\device strings',
    new Uint8Array([0xff, 0xfe, 0xc3, 0x28, 0x80, 0x0a]),
    `${SCRIPT}${CLOSE}`,
    RIGHT_TO_LEFT,
    EMOJI,
    CONTROL,
    '\x1b[',
    '\x1b[999999999999m huge',
  ];
  for (const line of lines) {
    container.log.write('stdout', typeof line === 'string' ? encode(`${line}\n`) : line);
  }
}

function images(world: World): void {
  const image = world.images.find('busybox:latest');
  // Names that no reference could be, as another engine might answer.
  world.images.references.set(`registry.example.com/${'deep/'.repeat(20)}image:${'t'.repeat(128)}`, image.id);
  world.images.references.set(`evil${SCRIPT}:latest`, image.id);
  image.config = { ...image.config, Labels: { [SCRIPT]: CLOSE, rtl: RIGHT_TO_LEFT } };
  image.author = CLOSE;
  image.steps = [
    ...image.steps,
    { created: world.clock.now(), createdBy: `RUN echo "${SCRIPT}" ${LONG}`, comment: CONTROL },
  ];
}

function files(world: World): void {
  const container = run(world, {
    name: 'odd-files',
    image: 'alpine:3.22',
    ago: 10 * MINUTE,
    command: ['sleep', 'infinity'],
  });
  for (const name of [
    SCRIPT.replaceAll('/', ''),
    RIGHT_TO_LEFT,
    'new\nline',
    ' spaces ',
    EMOJI,
    '-rf',
    'a'.repeat(255),
    '..hidden',
  ]) {
    container.files.write(`/root/${name}`, `${SCRIPT}\n`);
  }
}

function builds(world: World): void {
  world.builds.all = [{ id: SCRIPT, kind: 'exec.cachemount', size: 1, used: world.clock.now() }];
  world.history.add({
    name: `${SCRIPT}${RIGHT_TO_LEFT}`,
    ago: HOUR,
    dockerfile: CLOSE,
    context: `javascript:window.hacked=true//${LONG}`,
    target: EMOJI,
    platform: CONTROL,
    tags: [`evil${SCRIPT}:latest`, `${LONG}:latest`],
    steps: [
      { name: `[${SCRIPT}] RUN ${CONTROL}`, from: 0, takes: 10 },
      { name: LONG, from: 20, takes: 0 },
      {
        name: `[1/1] RUN ${EMOJI}`,
        from: 30,
        takes: 900,
        output: [
          [10, `${SCRIPT}\x1b]8;;javascript:window.hacked=true\x1b\\a link\x1b]8;;\x1b\\`],
          [20, `\x1b[31m${LONG}`],
        ],
        error: `${CLOSE}${RIGHT_TO_LEFT}\n${LONG}`,
      },
    ],
  });
}
