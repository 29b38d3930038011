//! The help texts of the command line in Chinese, with the headings and notes that clap adds by itself.

use catalogue::filled;
use clap::builder::{PossibleValue, StyledStr};
use clap::{Arg, Command};

use super::catalogue;

/// What clap puts into a usage line for all options together.
const OPTIONS: &str = "[OPTIONS]";

/// `command` and all its verbs.
pub(super) fn chinese(command: Command) -> Command {
    // Builds what clap adds by itself: `help` and its option.
    let mut command = command;
    command.build();
    if let Some(about) = command.get_about().map(text) {
        command = command.about(about);
    }
    let template = "{about-with-newline}\n用法：{usage}\n\n{all-args}";
    command = command.subcommand_help_heading("命令").subcommand_value_name("命令").help_template(template);
    let usage = command.render_usage().to_string();
    if let Some(usage) = usage.strip_prefix("Usage: ").filter(|usage| usage.contains(OPTIONS)) {
        command = command.override_usage(usage.replace(OPTIONS, "[选项]"));
    }
    let names: Vec<String> = command.get_arguments().map(|argument| argument.get_id().to_string()).collect();
    for name in names {
        command = command.mut_arg(name, argument);
    }
    let names: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, chinese);
    }
    command
}

fn text(english: &StyledStr) -> String {
    catalogue().translate(&english.to_string())
}

fn argument(argument: Arg) -> Arg {
    let heading = if argument.is_positional() { "参数" } else { "选项" };
    let notes = notes(&argument);
    let noted = |english: &StyledStr| format!("{}{notes}", text(english));
    let (help, long_help) = (argument.get_help().map(noted), argument.get_long_help().map(noted));
    let argument = argument.help_heading(heading).hide_default_value(true).hide_possible_values(true);
    let argument = match help {
        Some(help) => argument.help(help),
        None => argument,
    };
    match long_help {
        Some(help) => argument.long_help(help),
        None => argument,
    }
}

/// What clap would say in brackets: the default and the possible values.
fn notes(argument: &Arg) -> String {
    let mut notes = String::new();
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if argument.get_action().takes_values() && !argument.is_hide_default_value_set() && !defaults.is_empty() {
        let note = catalogue().of_pattern(" [default: %{value}]");
        notes.push_str(&filled(note, &[("value", &defaults.join(" "))]));
    }
    let values: Vec<String> = argument.get_possible_values().iter().filter_map(value).collect();
    if !argument.is_hide_possible_values_set() && !values.is_empty() {
        let note = catalogue().of_pattern(" [possible values: %{values}]");
        notes.push_str(&filled(note, &[("values", &values.join(", "))]));
    }
    notes
}

fn value(value: &PossibleValue) -> Option<String> {
    // None has a space in it, which clap would put in quotes.
    let name = Some(value.get_name()).filter(|_| !value.is_hide_set())?;
    Some(match value.get_help() {
        Some(help) => format!("{name}（{}）", text(help)),
        None => name.to_owned(),
    })
}
