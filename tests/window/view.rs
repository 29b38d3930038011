//! The window as a person has it: what it shows, what is clicked and typed.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::desk::{Desk, window};

/// More than anything takes that a case waits for, a boot under emulation included.
const LIMIT: Duration = Duration::from_secs(300);

pub(crate) struct View {
    runtime: Runtime,
    client: Client,
}

impl View {
    /// Opens the window.
    ///
    /// # Errors
    /// When it does not open.
    pub(crate) fn open(desk: &Desk, arguments: &[&str]) -> anyhow::Result<View> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let options = json!({ "binary": window()?, "args": arguments });
        let capabilities = serde_json::Map::from_iter([("webkitgtk:browserOptions".to_owned(), options)]);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let client = runtime.block_on(builder.connect(&desk.driver())).context("opening the window")?;
        Ok(View { runtime, client })
    }

    /// Waits until something visible has this text, and gives it.
    ///
    /// # Errors
    /// When it does not come: what the page shows instead.
    pub(crate) fn see(&self, text: &str) -> anyhow::Result<()> {
        self.until(&format!("{text:?}"), || Ok(self.text()?.contains(text).then_some(())))
    }

    /// All that the page shows.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        let text = self.run("return document.body.innerText", vec![])?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks the button, link, tab or entry of this name, once it can be.
    pub(crate) fn click(&self, name: &str) -> anyhow::Result<()> {
        self.press(name, &pressed(name))
    }

    /// Clicks what the path leads to, once it can be.
    fn press(&self, name: &str, path: &str) -> anyhow::Result<()> {
        let mut refused = None;
        let clicked = self.until(&format!("a way to press {name:?}"), || {
            let Some(element) = self.find(path)? else { return Ok(None) };
            // What lies over it may go.
            refused = self.ask(element.click())?.err();
            Ok(refused.is_none().then_some(()))
        });
        clicked.with_context(|| format!("the last try: {refused:?}"))
    }

    /// Clicks the button of this name in the question that is asked, all of which can be read.
    pub(crate) fn answer(&self, name: &str) -> anyhow::Result<()> {
        let cut_off = "const body = document.querySelector('dialog[open] .body'); return body.scrollHeight > body.clientHeight + 1";
        anyhow::ensure!(self.run(cut_off, vec![])? == false, "the question is cut off");
        self.finish(name)
    }

    /// Clicks the button of this name in the dialog that is open.
    pub(crate) fn finish(&self, name: &str) -> anyhow::Result<()> {
        self.press(name, &format!("//dialog[@open]//button[normalize-space()={}]", quoted(name)))
    }

    /// Types into what the selector names, once it has the keyboard's focus, in a window that has it, too.
    pub(crate) fn keys(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        let element = self
            .until(selector, || Ok(self.ask(self.client.find(Locator::Css(selector)))?.ok()))
            .with_context(|| format!("typing {text:?}"))?;
        self.until(&format!("focus on {selector}"), || {
            let focused = "arguments[0].focus(); return document.hasFocus() && document.activeElement === arguments[0]";
            Ok((self.run(focused, vec![serde_json::to_value(&element)?])? == true).then_some(()))
        })?;
        self.ask(element.send_keys(text))??;
        Ok(())
    }

    /// Chooses the radio button whose label has this text.
    pub(crate) fn choose(&self, text: &str) -> anyhow::Result<()> {
        let path = format!("//label[input[@type='radio']][contains(normalize-space(), {})]", quoted(text));
        let label = self.until(&format!("a choice {text:?}"), || self.find(&path))?;
        Ok(self.ask(label.click())??)
    }

    /// Replaces what the field of this name in the dialog that is open has, once it has that, as a person who types.
    pub(crate) fn fill(&self, name: &str, before: &str, text: &str) -> anyhow::Result<()> {
        let path = format!("//dialog[@open]//input[@id = //label[normalize-space()={}]/@for]", quoted(name));
        let field = self.until(&format!("a field {name:?}"), || self.find(&path))?;
        let handle = vec![serde_json::to_value(&field)?];
        let has = |value: &str| {
            self.until(&format!("{value:?} in the field {name:?}"), || {
                Ok((self.run("return arguments[0].value", handle.clone())? == value).then_some(()))
            })
        };
        has(before)?;
        self.until(&format!("focus on the field {name:?}"), || {
            let chosen = "arguments[0].focus(); arguments[0].select(); \
                          return document.hasFocus() && document.activeElement === arguments[0]";
            Ok((self.run(chosen, handle.clone())? == true).then_some(()))
        })?;
        self.ask(field.send_keys(text))?.with_context(|| format!("typing into {name:?}"))?;
        has(text)
    }

    /// Opens the terminal of the container whose page this is, waits for busybox' prompt, and has a command answer.
    pub(crate) fn use_terminal(&self) -> anyhow::Result<()> {
        self.click("Terminal")?;
        self.see("/ #")?;
        // What is echoed is not what is printed.
        self.keys(".xterm-helper-textarea", "echo $((6 * 7))-seen\n")?;
        self.until("output of the command", || {
            let rows = self.run("return document.querySelector('.xterm-rows')?.innerText ?? ''", vec![])?;
            Ok(rows.as_str().is_some_and(|rows| rows.contains("42-seen")).then_some(()))
        })
    }

    /// Goes to a place of the pages.
    pub(crate) fn go(&self, place: &str) -> anyhow::Result<()> {
        self.run("location.hash = arguments[0]", vec![json!(place)]).map(drop)
    }

    pub(crate) fn place(&self) -> anyhow::Result<String> {
        Ok(self.run("return location.hash", vec![])?.as_str().unwrap_or_default().to_owned())
    }

    /// Runs a function's body in the page; its value.
    pub(crate) fn run(&self, script: &str, arguments: Vec<Value>) -> anyhow::Result<Value> {
        Ok(self.ask(self.client.execute(script, arguments))??)
    }

    /// The same for a body that has `await`.
    pub(crate) fn wait_for(&self, script: &str, arguments: Vec<Value>) -> anyhow::Result<Value> {
        let wrapped = format!(
            "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1); \
             (async (...arguments) => {{ {script} }})(...given).then(done, (error) => done({{ failed: error?.message ?? String(error) }}))"
        );
        Ok(self.ask(self.client.execute_async(&wrapped, arguments))??)
    }

    /// What the driver answers; one that does not answer has failed.
    fn ask<T>(&self, question: impl Future<Output = T>) -> anyhow::Result<T> {
        let answer = self.runtime.block_on(async { tokio::time::timeout(LIMIT, question).await });
        answer.with_context(|| format!("the window's driver does not answer within {} s", LIMIT.as_secs()))
    }

    /// Closes the window's session, and with it the program.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        Ok(self.ask(self.client.clone().close())??)
    }

    /// Asks again until there is an answer.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        mut probe: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let begun = Instant::now();
        loop {
            if let Some(value) = probe()? {
                return Ok(value);
            }
            if begun.elapsed() > LIMIT {
                bail!(
                    "there is no {what} after {} s; the page at {} shows:\n{}",
                    LIMIT.as_secs(),
                    self.place()?,
                    self.text()?
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The first visible element that the path leads to.
    fn find(&self, path: &str) -> anyhow::Result<Option<Element>> {
        self.ask(async {
            for element in self.client.find_all(Locator::XPath(path)).await? {
                // The driver's own question takes what lies in a cell that cuts off long names for hidden.
                let visible =
                    self.client.execute("return arguments[0].checkVisibility()", vec![serde_json::to_value(&element)?]);
                // One that went meanwhile is not shown.
                if visible.await.is_ok_and(|visible| visible == true) {
                    return Ok(Some(element));
                }
            }
            Ok(None)
        })?
    }
}

/// What can be pressed and has this name.
fn pressed(name: &str) -> String {
    let name = quoted(name);
    format!(
        "//*[self::button or self::a or @role='tab' or @role='menuitem' or @role='option'][not(@disabled)]\
         [normalize-space()={name} or @aria-label={name}]"
    )
}

/// As a string of XPath 1.0, which has no escapes.
fn quoted(text: &str) -> String {
    if text.contains('\'') { format!("\"{text}\"") } else { format!("'{text}'") }
}
