//! The program's own documentation: the key table, completions, the man page.

use clap::CommandFactory as _;

use crate::cli::args::Cli;
use crate::commands::{COMMANDS, Group};
use crate::config::Settings;

/// Returns the key table of the guide.
pub fn keys(settings: &Settings) -> String {
    let mut text = "| key | command | what it does |\n|---|---|---|\n".to_owned();
    for group in Group::ALL {
        text.push_str(&format!("| | | **{}** |\n", group.title()));
        for entry in COMMANDS.iter().filter(|e| e.group == group) {
            let keys: Vec<String> = settings
                .keymap
                .keys(entry.command)
                .map(|k| format!("`{}`", k.to_string().replace('|', "\\|")))
                .collect();
            text.push_str(&format!("| {} | `{}` | {} |\n", keys.join(" "), entry.name, entry.title));
        }
    }
    text
}

/// Returns a completion script.
pub fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "autopilot", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Returns the man page: what clap knows of the console and of each command, and the keys.
///
/// # Errors
/// When it cannot be written.
pub fn man(settings: &Settings) -> std::io::Result<String> {
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(Cli::command());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut text = String::from_utf8_lossy(&page).into_owned();
    let mut whole = Cli::command();
    whole.build();
    // All commands on one page: what they share is told above.
    for command in whole.get_subcommands().filter(|c| c.get_name() != "help") {
        let told =
            |arg: &clap::Arg| arg.is_global_set() || ["help", "version"].contains(&arg.get_id().as_str());
        let command = command.clone().mut_args(|arg| if told(&arg) { arg.hide(true) } else { arg });
        let (about, name) = (command.get_about().map(ToString::to_string), command.get_name().to_uppercase());
        text.push_str(&format!(".SH {name}\n{}\n", about.unwrap_or_default()));
        let (mut page, man) = (Vec::new(), clap_mangen::Man::new(command));
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
        let section =
            String::from_utf8_lossy(&page).replace(".SH SYNOPSIS\n", ".PP\n").replace(".SH OPTIONS\n", "");
        text.push_str(&section);
    }
    text.push_str(".SH KEYS\n");
    for group in Group::ALL {
        text.push_str(&format!(".SS {}\n", group.title()));
        for entry in COMMANDS.iter().filter(|e| e.group == group) {
            let keys: Vec<String> = settings.keymap.keys(entry.command).map(|k| k.to_string()).collect();
            let keys = keys.join(" ").replace('\\', "\\\\");
            text.push_str(&format!(".TP\n\\fB{keys}\\fR ({})\n{}\n", entry.name, entry.title));
        }
    }
    Ok(text)
}
