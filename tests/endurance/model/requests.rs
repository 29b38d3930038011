//! One operation: the request, what should be answered, and what becomes of the model.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::http::request;
use tests::random::Random;
use tests::wait::until;

use super::{Container, NAMES, Program, Run, World, name};
use crate::Result;

#[derive(Debug, Clone)]
pub(super) enum Operation {
    Create(usize, Container),
    Start(usize),
    Stop(usize),
    Restart(usize),
    Kill(usize, &'static str),
    Pause(usize),
    Unpause(usize),
    Rename(usize, usize),
    Remove { number: usize, force: bool },
    Wait(usize),
    Exec(usize),
    Policy(usize, &'static str),
}

impl Operation {
    pub(super) fn choose(random: &mut Random) -> Operation {
        let number = random.below(NAMES);
        match random.below(19) {
            0..4 => {
                let forever = Program::Forever;
                let program = random.of(&[forever, forever, Program::Ends(0), Program::Ends(3), Program::Fails(5)]);
                // What ends by itself would be started again at moments of its own, for ever.
                let policies: &[&str] = match program {
                    Program::Forever => &["no", "always", "unless-stopped", "on-failure"],
                    Program::Ends(_) => &["no"],
                    Program::Fails(_) => &["on-failure"],
                };
                let policy = random.of(policies);
                let auto_remove = policy == "no" && random.below(4) == 0;
                Operation::Create(number, Container { program, run: Run::Created, auto_remove, policy })
            }
            4..7 => Operation::Start(number),
            7 => Operation::Stop(number),
            8 => Operation::Restart(number),
            9 => Operation::Kill(number, random.of(&["KILL", "SIGKILL", "9"])),
            10 => Operation::Kill(number, random.of(&["TERM", "USR1", "HUP", "NOPE"])),
            11 | 12 => Operation::Pause(number),
            13 => Operation::Unpause(number),
            14 => Operation::Rename(number, random.below(NAMES)),
            15 => Operation::Remove { number, force: random.below(2) == 0 },
            16 => Operation::Wait(number),
            17 => Operation::Exec(number),
            _ => Operation::Policy(number, random.of(&["no", "always", "unless-stopped"])),
        }
    }

    pub(super) fn perform(&self, host: &str, world: &mut World) -> Result {
        match self {
            Operation::Create(number, container) => {
                let path = format!("/containers/create?name={}", name(*number));
                let free = !world.contains_key(number);
                asked(host, "POST", &path, &container.request(), if free { 201 } else { 409 })?;
                world.entry(*number).or_insert_with(|| container.clone());
                Ok(())
            }
            Operation::Start(number) => {
                let expect = world.get(number).map_or(404, |container| match container.run {
                    Run::Created | Run::Exited(_) => 204,
                    Run::Running => 304,
                    Run::Paused => 409,
                });
                post(host, *number, "start", expect)?;
                if expect == 204 {
                    begin(host, *number, world)?;
                }
                Ok(())
            }
            Operation::Stop(number) => {
                let expect = world.get(number).map_or(404, |at| if at.run.is_alive() { 204 } else { 304 });
                post(host, *number, "stop?t=0", expect)?;
                if expect == 204 {
                    end(*number, 137, world);
                }
                Ok(())
            }
            Operation::Restart(number) => {
                post(host, *number, "restart?t=0", if world.contains_key(number) { 204 } else { 404 })?;
                if world.contains_key(number) { begin(host, *number, world) } else { Ok(()) }
            }
            Operation::Kill(number, signal) => kill(host, *number, signal, world),
            Operation::Pause(number) => {
                let expect = world.get(number).map_or(404, |at| if at.run == Run::Running { 204 } else { 409 });
                post(host, *number, "pause", expect)?;
                set(*number, Run::Paused, expect, world)
            }
            Operation::Unpause(number) => {
                // A server's error, as dockerd has it.
                let expect = world.get(number).map_or(404, |at| if at.run == Run::Paused { 204 } else { 500 });
                post(host, *number, "unpause", expect)?;
                set(*number, Run::Running, expect, world)
            }
            Operation::Rename(from, to) => {
                let expect = match (world.contains_key(from), from == to, world.contains_key(to)) {
                    (false, _, _) => 404,
                    (true, true, _) => 400,
                    (true, false, true) => 409,
                    (true, false, false) => 204,
                };
                post(host, *from, &format!("rename?name={}", name(*to)), expect)?;
                if expect == 204
                    && let Some(container) = world.remove(from)
                {
                    world.insert(*to, container);
                }
                Ok(())
            }
            Operation::Remove { number, force } => {
                let expect = world.get(number).map_or(404, |at| if at.run.is_alive() && !force { 409 } else { 204 });
                let path = format!("/containers/{}?force={force}", name(*number));
                asked(host, "DELETE", &path, &Value::Null, expect)?;
                if expect == 204 {
                    world.remove(number);
                }
                Ok(())
            }
            Operation::Wait(number) => match world.get(number) {
                // It would wait for ever.
                Some(container) if container.run.is_alive() => Ok(()),
                Some(container) => {
                    let code = if let Run::Exited(code) = container.run { code } else { 0 };
                    let answer: Value = serde_json::from_str(&post(host, *number, "wait", 200)?)?;
                    ensure!(answer["StatusCode"] == code, "{answer} instead of {code}");
                    Ok(())
                }
                None => post(host, *number, "wait", 404).map(drop),
            },
            Operation::Exec(number) => exec(host, *number, world),
            Operation::Policy(number, policy) => {
                let body = json!({"RestartPolicy": {"Name": policy}});
                let refused = |at: &Container| at.auto_remove && *policy != "no";
                let expect = world.get(number).map_or(404, |at| if refused(at) { 409 } else { 200 });
                // A program that ends would be started again and again.
                let Some(Program::Ends(_) | Program::Fails(_)) = world.get(number).map(|at| at.program) else {
                    asked(host, "POST", &format!("/containers/{}/update", name(*number)), &body, expect)?;
                    if let Some(container) = world.get_mut(number).filter(|_| expect == 200) {
                        container.policy = policy;
                    }
                    return Ok(());
                };
                Ok(())
            }
        }
    }
}

fn asked(host: &str, method: &str, path: &str, body: &Value, expect: u16) -> anyhow::Result<String> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let answer = request(host, method, path, &text)?;
    ensure!(answer.status == expect, "{method} {path} {text}: {} instead of {expect}: {}", answer.status, answer.body);
    Ok(answer.body)
}

fn post(host: &str, number: usize, verb: &str, expect: u16) -> anyhow::Result<String> {
    asked(host, "POST", &format!("/containers/{}/{verb}", name(number)), &Value::Null, expect)
}

fn set(number: usize, run: Run, answered: u16, world: &mut World) -> Result {
    if let Some(container) = world.get_mut(&number).filter(|_| answered == 204) {
        container.run = run;
    }
    Ok(())
}

/// It was started: it runs, or it has ended by itself.
fn begin(host: &str, number: usize, world: &mut World) -> Result {
    let container = world.get_mut(&number).context("it was there")?;
    container.run = Run::Running;
    if let Program::Ends(code) | Program::Fails(code) = container.program {
        end(number, code, world);
        // Only an end that is known is one: the next operation must not come before it.
        return super::compare(host, number, world.get(&number));
    }
    Ok(())
}

fn end(number: usize, code: i64, world: &mut World) {
    if world.get(&number).is_some_and(|container| container.auto_remove) {
        world.remove(&number);
    } else if let Some(container) = world.get_mut(&number) {
        container.run = Run::Exited(code);
    }
}

fn kill(host: &str, number: usize, signal: &str, world: &mut World) -> Result {
    let known = signal != "NOPE";
    let expect = match world.get(&number) {
        _ if !known => 400,
        None => 404,
        Some(container) if container.run.is_alive() => 204,
        Some(_) => 409,
    };
    post(host, number, &format!("kill?signal={signal}"), expect)?;
    if expect != 204 {
        return Ok(());
    }
    if ["KILL", "SIGKILL", "9"].contains(&signal) {
        end(number, 137, world);
        return super::compare(host, number, world.get(&number));
    }
    // A frozen program is let go on, so that it can hear the signal.
    set(number, Run::Running, 204, world)
}

fn exec(host: &str, number: usize, world: &World) -> Result {
    let expect = world.get(&number).map_or(404, |at| if at.run == Run::Running { 201 } else { 409 });
    let path = format!("/containers/{}/exec", name(number));
    let body = asked(host, "POST", &path, &json!({"Cmd": ["sh", "-c", "exit 6"]}), expect)?;
    if expect != 201 {
        return Ok(());
    }
    let made: Value = serde_json::from_str(&body)?;
    let id = made["Id"].as_str().context("an id")?;
    asked(host, "POST", &format!("/exec/{id}/start"), &json!({"Detach": true}), 200)?;
    let code = until("the command's end", Duration::from_secs(120), || {
        let answer = request(host, "GET", &format!("/exec/{id}/json"), "").ok()?;
        let seen: Value = serde_json::from_str(&answer.body).ok()?;
        (seen["Running"] == false).then(|| seen["ExitCode"].clone())
    })?;
    ensure!(code == 6, "the command ended with {code}");
    Ok(())
}
