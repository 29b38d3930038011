//! Build arguments: what a request gives, what a Dockerfile declares, and what an instruction sees of both. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Of the environment that builds run in: they need no declaration, and change no step.
const PROXIES: [&str; 10] = [
    "ALL_PROXY",
    "FTP_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "ftp_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

type Values = BTreeMap<String, Option<String>>;

/// What a stage has declared by now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    values: Values,
    /// Declared, with a value, after the image's variable of that name was set: these count more than it.
    later: BTreeSet<String>,
}

/// The arguments of one build, while it comes along.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arguments {
    /// Of the request, and of the engine's settings.
    given: Values,
    /// Which of them are the settings': nobody gave them to this build, so they change no step and stand in no image.
    of_settings: BTreeSet<String>,
    /// Which platform is built on which, under the names that every Dockerfile can declare.
    platforms: BTreeMap<&'static str, String>,
    /// Declared before the first stage.
    globals: Values,
    /// Declared in the stage, or in the one that it is on top of.
    declared: Declared,
    /// ARG counts more than the ENV before it, and is known in the stages on top; as in BuildKit, not in the classic builder.
    is_ordered: bool,
    /// Every name that was declared anywhere.
    seen: BTreeSet<String>,
}

impl Arguments {
    /// `given`: a name without a value counts as not given. `target` and `build` are `os/architecture[/variant]`.
    pub(crate) fn new(given: BTreeMap<String, Option<String>>, target: &str, build: &str) -> Arguments {
        let mut platforms = BTreeMap::new();
        let names = [
            (target, ["TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT"]),
            (build, ["BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT"]),
        ];
        for (platform, [whole, parts @ ..]) in names {
            platforms.insert(whole, platform.to_owned());
            let mut values = platform.split('/');
            platforms.extend(parts.map(|name| (name, values.next().unwrap_or_default().to_owned())));
        }
        Arguments { given, platforms, ..Arguments::default() }
    }

    /// As BuildKit has them; `target` is the stage that was asked for.
    #[must_use]
    pub(crate) fn of_buildkit(mut self, target: &str) -> Arguments {
        let target = if target.is_empty() { "default" } else { target };
        self.platforms.insert("TARGETSTAGE", target.to_owned());
        self.is_ordered = true;
        self
    }

    /// And those of the engine's settings, unless the request has one of that name, in whichever letters.
    #[must_use]
    pub(crate) fn with_settings(mut self, settings: &[(String, String)]) -> Arguments {
        let is_given = |name: &String| self.given.keys().any(|known| known.eq_ignore_ascii_case(name));
        let own: Vec<_> = settings.iter().filter(|(name, _)| !is_given(name)).cloned().collect();
        for (name, value) in own {
            self.of_settings.insert(name.clone());
            self.given.insert(name, Some(value));
        }
        self
    }

    /// ARG before the first stage.
    pub(crate) fn declare_globally(&mut self, name: &str, default: Option<String>) {
        self.seen.insert(name.to_owned());
        self.globals.insert(name.to_owned(), default);
    }

    /// ARG in a stage. The value that this gives it.
    pub(crate) fn declare(&mut self, name: &str, default: Option<String>) -> Option<String> {
        self.seen.insert(name.to_owned());
        if !self.is_ordered {
            self.declared.values.insert(name.to_owned(), default);
            return self.value(name).cloned();
        }
        let value = self.given(name).cloned().or(default);
        let value = value.or_else(|| self.global(name).or_else(|| self.platforms.get(name)).cloned());
        if value.is_some() {
            self.declared.values.insert(name.to_owned(), value.clone());
            self.declared.later.insert(name.to_owned());
        } else {
            // What was said of it before stays, by ARG or by ENV.
            self.declared.values.entry(name.to_owned()).or_default();
        }
        value
    }

    /// ENV in a stage.
    pub(crate) fn set<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            self.declared.later.remove(name);
        }
    }

    /// Whether an argument counts more than a variable of the image, `name=value`.
    pub(crate) fn hides(&self, variable: &str) -> bool {
        variable.split('=').next().is_some_and(|name| self.declared.later.contains(name))
    }

    pub(crate) fn declared(&self) -> &Declared {
        &self.declared
    }

    /// Nothing is known in a stage but what the one declared that it is on top of.
    pub(crate) fn begin_stage(&mut self, beneath: Option<&Declared>) {
        self.declared = beneath.filter(|_| self.is_ordered).cloned().unwrap_or_default();
    }

    /// What another stage declared was declared.
    pub(crate) fn recall(&mut self, other: &Arguments) {
        self.seen.extend(other.seen.iter().cloned());
    }

    /// What FROM and the ARGs before it see, as `name=value`.
    pub(crate) fn for_bases(&self) -> Vec<String> {
        let platforms = self.platforms.iter().filter(|(name, _)| !self.globals.contains_key(**name));
        let platforms = platforms.map(|(name, value)| format!("{name}={}", self.given(name).unwrap_or(value)));
        let globals = self.globals.keys().filter_map(|name| Some(format!("{name}={}", self.global(name)?)));
        platforms.chain(globals).collect()
    }

    /// What an instruction of the stage sees beside the image's variables `env`, which count more, sorted.
    pub(crate) fn for_steps(&self, env: &[String]) -> Vec<String> {
        self.visible(env, |_| true)
    }

    /// The same, without what changes no step: the proxies that nobody declared, and those of the settings.
    pub(crate) fn for_cache(&self, env: &[String]) -> Vec<String> {
        let changes = |name: &str| !PROXIES.contains(&name) || self.seen.contains(name);
        self.visible(env, |name| changes(name) && !self.of_settings.contains(name))
    }

    fn visible(&self, env: &[String], wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let proxies = PROXIES.into_iter().filter(|name| self.given(name).is_some());
        let names: BTreeSet<&str> = self.declared.values.keys().map(String::as_str).chain(proxies).collect();
        let is_set = |name: &str| {
            !self.declared.later.contains(name) && env.iter().any(|variable| variable.split('=').next() == Some(name))
        };
        let names = names.into_iter().filter(|name| wanted(name) && !is_set(name));
        names.filter_map(|name| Some(format!("{name}={}", self.value(name)?))).collect()
    }

    /// Given, but nowhere declared; sorted.
    pub(crate) fn unused(&self) -> Vec<&str> {
        let unused = self.given.keys().filter(|name| {
            !self.seen.contains(*name)
                && !PROXIES.contains(&name.as_str())
                && !self.platforms.contains_key(name.as_str())
        });
        unused.map(String::as_str).collect()
    }

    /// The request gives it a value.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    fn given(&self, name: &str) -> Option<&String> {
        self.given.get(name)?.as_ref()
    }

    /// What it has before the first stage.
    pub(crate) fn global(&self, name: &str) -> Option<&String> {
        self.given(name).or_else(|| self.globals.get(name)?.as_ref())
    }

    /// What it has in the stage.
    pub(crate) fn value(&self, name: &str) -> Option<&String> {
        let default = || self.declared.values.get(name).and_then(Option::as_ref);
        self.given(name)
            .or_else(default)
            .or_else(|| self.globals.get(name)?.as_ref())
            .or_else(|| self.platforms.get(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(given: &[(&str, Option<&str>)]) -> Arguments {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect();
        Arguments::new(given, "linux/arm/v7", "linux/amd64")
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn stages_see_what_they_declare() {
        let mut arguments =
            arguments(&[("B", Some("given")), ("C", None), ("X", Some("x")), ("HTTP_PROXY", Some("p"))]);
        arguments.declare_globally("A", some("1"));
        arguments.declare_globally("B", some("2"));
        let bases = arguments.for_bases();
        for expect in
            ["A=1", "B=given", "TARGETPLATFORM=linux/arm/v7", "TARGETVARIANT=v7", "BUILDARCH=amd64", "BUILDVARIANT="]
        {
            assert!(bases.iter().any(|variable| variable == expect), "{expect}: {bases:?}");
        }
        // Nothing is declared in the stage yet.
        assert_eq!(arguments.for_steps(&[]), ["HTTP_PROXY=p"]);
        assert_eq!(arguments.for_cache(&[]), [""; 0]);
        for (name, default) in [("A", None), ("B", some("3")), ("C", None), ("D", some("4")), ("TARGETARCH", None)] {
            arguments.declare(name, default);
        }
        assert_eq!(arguments.for_cache(&[]), ["A=1", "B=given", "D=4", "TARGETARCH=arm"]);
        // The image's own variables count more.
        assert_eq!(arguments.for_steps(&["A=env".to_owned()]), ["B=given", "D=4", "HTTP_PROXY=p", "TARGETARCH=arm"]);
        assert_eq!(arguments.unused(), ["X"]);
        arguments.declare("HTTP_PROXY", None);
        assert!(arguments.for_cache(&[]).contains(&"HTTP_PROXY=p".to_owned()));
        arguments.begin_stage(None);
        assert_eq!(arguments.for_cache(&[]), ["HTTP_PROXY=p"]);
    }

    /// As the corpus shows it of BuildKit.
    #[test]
    fn stages_on_top_know_what_was_declared() {
        let mut arguments = arguments(&[("B", Some("given"))]).of_buildkit("");
        arguments.declare_globally("G", some("global"));
        for (name, default) in [("A", some("1")), ("G", some("2")), ("TARGETSTAGE", None)] {
            arguments.declare(name, default);
        }
        let beneath = arguments.declared().clone();
        arguments.begin_stage(Some(&beneath));
        assert_eq!(arguments.for_steps(&[]), ["A=1", "G=2", "TARGETSTAGE=default"]);
        arguments.declare("A", None);
        arguments.declare("G", None);
        assert_eq!(arguments.for_steps(&[]), ["A=1", "G=global", "TARGETSTAGE=default"]);
        // What came last counts.
        let env = ["A=env".to_owned(), "N=env".to_owned()];
        arguments.declare("N", None);
        assert!(arguments.hides("A=env") && !arguments.hides("N=env"));
        assert_eq!(arguments.for_steps(&env), ["A=1", "G=global", "TARGETSTAGE=default"]);
        arguments.set(["A"].into_iter());
        assert_eq!(arguments.for_steps(&env), ["G=global", "TARGETSTAGE=default"]);
    }

    #[test]
    fn without_a_value_nothing_changes() {
        let mut arguments = arguments(&[]).of_buildkit("");
        arguments.declare("X", some("1"));
        arguments.set(["X"].into_iter());
        assert_eq!(arguments.declare("X", None), None);
        let env = ["X=2".to_owned()];
        assert!(!arguments.hides("X=2"));
        assert_eq!(arguments.for_steps(&env), [""; 0]);
        arguments.declare("TARGETARCH", some("x"));
        let beneath = arguments.declared().clone();
        arguments.begin_stage(Some(&beneath));
        arguments.declare("X", None);
        assert!(!arguments.hides("X=2"), "nor in the stage on top");
        assert_eq!(arguments.for_steps(&env), ["TARGETARCH=x"]);
        // Of the platforms there is a value.
        assert_eq!(arguments.declare("TARGETARCH", None), some("arm"));
        assert_eq!(arguments.for_steps(&env), ["TARGETARCH=arm"]);
    }

    #[test]
    fn arguments_of_the_settings_are_for_steps_and_in_no_image() {
        let settings = [("HTTP_PROXY", "secret"), ("http_proxy", "secret"), ("NO_PROXY", "n")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut known = arguments(&[("no_proxy", Some("mine"))]).of_buildkit("").with_settings(&settings);
        known.begin_stage(None);
        known.declare("HTTP_PROXY", None);
        assert_eq!(known.for_steps(&[]), ["HTTP_PROXY=secret", "http_proxy=secret", "no_proxy=mine"]);
        assert!(known.for_cache(&[]).is_empty(), "{:?}", known.for_cache(&[]));
    }
}
