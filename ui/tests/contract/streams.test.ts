// @vitest-environment node
import { expect, test } from 'vitest';
import { raw, reads, spoken } from './client';
import { contract } from './engines';
import { expectShape } from './shapes';

const bytes = (text: string) => new TextEncoder().encode(text);

contract('logs, attach and exec', (client) => {
  test('logs hold both streams, framed', async () => {
    const id = await client.ran(['sh', '-c', 'echo one; echo two; ls /nonexistent; echo three']);
    const answer = await client.stream(`/containers/${id}/logs?stdout=1&stderr=1`);
    expect(answer.headers['content-type']).toBe('application/vnd.docker.multiplexed-stream');
    const all = await spoken(answer.body);
    expect(all.stdout).toBe('one\ntwo\nthree\n');
    expect(all.stderr).toMatch(/^ls: \/nonexistent: No such file or directory\n$/);
    const logs = async (query: string) => spoken((await client.stream(`/containers/${id}/logs?${query}`)).body);
    expect(await logs('stdout=1')).toEqual({ stdout: 'one\ntwo\nthree\n', stderr: '' });
    // The last line of all counts, and of two streams nobody knows which was read last: one alone has an order.
    const plain = await client.ran(['sh', '-c', 'echo one; echo two; echo three']);
    const last = async (query: string) =>
      (await spoken((await client.stream(`/containers/${plain}/logs?${query}`)).body)).stdout;
    expect(await last('stdout=1&tail=1')).toBe('three\n');
    expect(await last('stdout=1&tail=0')).toBe('');
    expect(await last('stdout=1&timestamps=1&tail=1')).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z three\n$/);
    expect((await logs('stdout=1&since=9999999999')).stdout).toBe('');
    expect((await logs('stdout=1&until=1')).stdout).toBe('');
    expect(await client.refused('GET', `/containers/${id}/logs`)).toEqual([
      400,
      'Bad parameters: you must choose at least one stream',
    ]);
  });

  test('logs are followed until the container ends', async () => {
    const id = await client.run({ Cmd: ['sh', '-c', 'echo early; sleep 1; echo late'] });
    const answer = await client.stream(`/containers/${id}/logs?stdout=1&follow=1`);
    expect((await spoken(answer.body)).stdout).toBe('early\nlate\n');
  });

  test('logs of a terminal are raw', async () => {
    const id = await client.ran(['echo', 'hello'], { Tty: true });
    const answer = await client.stream(`/containers/${id}/logs?stdout=1`);
    expect(answer.headers['content-type']).toBe('application/vnd.docker.raw-stream');
    expect(await raw(answer.body)).toBe('hello\r\n');
  });

  test('an attached process gets its input and its end', async () => {
    const id = await client.create({
      Cmd: ['cat'],
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
    });
    const duplex = await client.connect(`/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1`);
    expect(duplex.framed).toBe(true);
    await client.ok('POST', `/containers/${id}/start`);
    await duplex.write(bytes('to be repeated\n'));
    await duplex.closeWrite();
    expect(await spoken(duplex.output)).toEqual({ stdout: 'to be repeated\n', stderr: '' });
    expect((await client.ok('POST', `/containers/${id}/wait`)).body).toEqual({ StatusCode: 0 });
  });

  test('attach is refused to what is paused or not there', async () => {
    const id = await client.run();
    await client.ok('POST', `/containers/${id}/pause`);
    const refusal = async (name: string) => {
      const upgrade = await client.backend.upgrade({
        method: 'POST',
        path: `/containers/${name}/attach?stream=1&stdout=1`,
      });
      if ('duplex' in upgrade) throw new Error('attached');
      return [upgrade.answer.status, await raw(upgrade.answer.body)] as const;
    };
    expect(await refusal(id)).toEqual([409, `container ${id} is paused, unpause the container before attach\r\n`]);
    expect(await refusal('nope')).toEqual([404, 'No such container: nope\r\n']);
  });

  test('a command runs beside the container’s own', async () => {
    const id = await client.run({ Labels: { of: 'exec' } });
    const listener = await client.listen({ container: [id] });
    const exec = await client.exec(id, {
      Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 5'],
      AttachStdout: true,
      AttachStderr: true,
    });
    const { body: made } = await client.ok('GET', `/exec/${exec}/json`);
    expectShape('exec created', made);
    expect((await client.inspect(id)).ExecIDs).toEqual([exec]);
    const duplex = await client.connect(`/exec/${exec}/start`, {});
    expect(duplex.framed).toBe(true);
    expect(await spoken(duplex.output)).toEqual({ stdout: 'out\n', stderr: 'err\n' });
    const events = await listener.until((events) => events.some((event) => event.Action === 'exec_die'));
    expect(events.map((event) => event.Action)).toEqual([
      'exec_create: sh -c echo out; echo err >&2; exit 5',
      'exec_start: sh -c echo out; echo err >&2; exit 5',
      'exec_die',
    ]);
    expect(events.at(-1)!.Actor.Attributes).toMatchObject({ execID: exec, exitCode: '5', of: 'exec' });
    const { body: ended } = await client.ok('GET', `/exec/${exec}/json`);
    expectShape('exec ended', ended);
    expect(ended).toMatchObject({ ExitCode: 5, Running: false, ContainerID: id });
    const again = await client.connect(`/exec/${exec}/start`, {});
    expect((await spoken(again.output)).stdout).toBe(`exec command ${exec} has already run\r\n`);
  });

  test('a terminal shows what is typed, and has a size', async () => {
    const id = await client.run();
    const exec = await client.exec(id, {
      Cmd: ['sh'],
      Tty: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const duplex = await client.connect(`/exec/${exec}/start`, { Tty: true, ConsoleSize: [30, 100] });
    expect(duplex.framed).toBe(false);
    const reader = duplex.output.getReader();
    await reads(reader, '# ');
    await duplex.write(bytes('stty size\n'));
    expect(await reads(reader, '30 100')).toContain('stty size\r\n');
    expect((await client.say('POST', `/exec/${exec}/resize?h=40&w=120`)).status).toBe(200);
    await duplex.write(bytes('stty size\n'));
    await reads(reader, '40 120');
    await duplex.write(bytes('cd /tmp; pwd\n'));
    await reads(reader, '/tmp\r\n');
    await duplex.write(bytes('exit 7\n'));
    while (!(await reader.read()).done);
    expect((await client.ok('GET', `/exec/${exec}/json`)).body).toMatchObject({ ExitCode: 7, Running: false });
  });

  test('an interrupted command ends, not the shell', async () => {
    const id = await client.run();
    const exec = await client.exec(id, { Cmd: ['sh'], Tty: true, AttachStdin: true, AttachStdout: true });
    const duplex = await client.connect(`/exec/${exec}/start`, { Tty: true });
    const reader = duplex.output.getReader();
    await reads(reader, '# ');
    // One process says that it runs and sleeps: between two commands Ctrl-C would be the shell's own, with no status.
    await duplex.write(bytes('sh -c \'echo be"g"un; exec sleep 1000\'\n'));
    await reads(reader, 'begun');
    await duplex.write(bytes('\x03'));
    await reads(reader, '# ');
    await duplex.write(bytes('echo status $?\n'));
    // With the next prompt: before it the terminal's own mode takes Ctrl-D for an end of input that nobody reads.
    await reads(reader, 'status 130\r\n/ # ');
    await duplex.write(bytes('\x04'));
    while (!(await reader.read()).done);
    expect((await client.ok('GET', `/exec/${exec}/json`)).body.Running).toBe(false);
  });

  test('a command that is not there says so where it was to speak', async () => {
    const id = await client.run();
    const exec = await client.exec(id, { Cmd: ['nonexistent'], AttachStdout: true, AttachStderr: true });
    const duplex = await client.connect(`/exec/${exec}/start`, {});
    expect((await spoken(duplex.output)).stdout).toBe(
      'OCI runtime exec failed: exec failed: unable to start container process: exec: "nonexistent": executable file not found in $PATH\r\n',
    );
    expect((await client.ok('GET', `/exec/${exec}/json`)).body).toMatchObject({ ExitCode: 127, Running: false });
    expect(await client.refused('POST', `/containers/${id}/exec`, { Cmd: [] })).toEqual([
      400,
      'No exec command specified',
    ]);
  });

  test('nothing is run in what does not run', async () => {
    const id = await client.create();
    expect(await client.refused('POST', `/containers/${id}/exec`, { Cmd: ['true'] })).toEqual([
      409,
      `container ${id} is not running`,
    ]);
  });
});
