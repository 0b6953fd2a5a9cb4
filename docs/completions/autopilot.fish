# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_autopilot_global_optspecs
    string join \n context= n/namespace= kubeconfig= read-only theme= no-mouse ascii config= snapshot= size= h/help V/version
end

function __fish_autopilot_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_autopilot_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_autopilot_using_subcommand
    set -l cmd (__fish_autopilot_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c autopilot -n "__fish_autopilot_needs_command" -l context -d 'Context of the kubeconfig' -r
complete -c autopilot -n "__fish_autopilot_needs_command" -s n -l namespace -d 'Namespace; all, if none is given' -r
complete -c autopilot -n "__fish_autopilot_needs_command" -l kubeconfig -d 'The kubeconfig' -r -F
complete -c autopilot -n "__fish_autopilot_needs_command" -l theme -d 'Colours: default, light, high-contrast, colour-blind, terminal, none' -r
complete -c autopilot -n "__fish_autopilot_needs_command" -l config -d 'Configuration file' -r -F
complete -c autopilot -n "__fish_autopilot_needs_command" -l snapshot -d 'Print one screen as text: approvals, events, objects or rules' -r
complete -c autopilot -n "__fish_autopilot_needs_command" -l size -d 'Size of the printed screen' -r
complete -c autopilot -n "__fish_autopilot_needs_command" -l read-only -d 'Write nothing'
complete -c autopilot -n "__fish_autopilot_needs_command" -l no-mouse -d 'Leave the mouse to the terminal'
complete -c autopilot -n "__fish_autopilot_needs_command" -l ascii -d 'Draw with ASCII only'
complete -c autopilot -n "__fish_autopilot_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c autopilot -n "__fish_autopilot_needs_command" -s V -l version -d 'Print version'
complete -c autopilot -n "__fish_autopilot_needs_command" -f -a "get" -d 'List approvals, objects or rules'
complete -c autopilot -n "__fish_autopilot_needs_command" -f -a "approve" -d 'Approve what is pending'
complete -c autopilot -n "__fish_autopilot_needs_command" -f -a "decline" -d 'Decline what is pending'
complete -c autopilot -n "__fish_autopilot_needs_command" -f -a "delete" -d 'Delete an approval: a declined object is asked about again'
complete -c autopilot -n "__fish_autopilot_needs_command" -f -a "watch" -d 'Print changes as they come'
complete -c autopilot -n "__fish_autopilot_needs_command" -f -a "check" -d 'Say whether cluster, kinds and permissions are fine'
complete -c autopilot -n "__fish_autopilot_needs_command" -f -a "keys" -d 'Print the key table'
complete -c autopilot -n "__fish_autopilot_needs_command" -f -a "completions" -d 'Print a completion script'
complete -c autopilot -n "__fish_autopilot_needs_command" -f -a "man" -d 'Print the man page'
complete -c autopilot -n "__fish_autopilot_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c autopilot -n "__fish_autopilot_using_subcommand get" -s o -l output -d 'Format' -r -f -a "json\t'As the cluster has it'
yaml\t'As the cluster has it'
wide\t'All columns'"
complete -c autopilot -n "__fish_autopilot_using_subcommand get" -s f -l filter -d 'As in the console: words, `!word`, `column=value`, `age>1h`' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand get" -l context -d 'Context of the kubeconfig' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand get" -s n -l namespace -d 'Namespace; all, if none is given' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand get" -l kubeconfig -d 'The kubeconfig' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand get" -l theme -d 'Colours: default, light, high-contrast, colour-blind, terminal, none' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand get" -l config -d 'Configuration file' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand get" -l read-only -d 'Write nothing'
complete -c autopilot -n "__fish_autopilot_using_subcommand get" -l ascii -d 'Draw with ASCII only'
complete -c autopilot -n "__fish_autopilot_using_subcommand get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c autopilot -n "__fish_autopilot_using_subcommand get" -s V -l version -d 'Print version'
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -s r -l reason -d 'Why; required to decline' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -l proposal -d 'Only if this is still the proposal (16 hex digits, from `get -o wide`)' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -l context-name -d 'With --yes in a context that is marked as production: its name' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -s o -l output -d 'Format of the answer' -r -f -a "json\t'As the cluster has it'
yaml\t'As the cluster has it'
wide\t'All columns'"
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -l context -d 'Context of the kubeconfig' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -s n -l namespace -d 'Namespace; all, if none is given' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -l kubeconfig -d 'The kubeconfig' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -l theme -d 'Colours: default, light, high-contrast, colour-blind, terminal, none' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -l config -d 'Configuration file' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -l dry-run -d 'Let the server say what it would do, and write nothing'
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -s y -l yes -d 'Do not ask'
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -l read-only -d 'Write nothing'
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -l ascii -d 'Draw with ASCII only'
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c autopilot -n "__fish_autopilot_using_subcommand approve" -s V -l version -d 'Print version'
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -s r -l reason -d 'Why; required to decline' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -l proposal -d 'Only if this is still the proposal (16 hex digits, from `get -o wide`)' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -l context-name -d 'With --yes in a context that is marked as production: its name' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -s o -l output -d 'Format of the answer' -r -f -a "json\t'As the cluster has it'
yaml\t'As the cluster has it'
wide\t'All columns'"
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -l context -d 'Context of the kubeconfig' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -s n -l namespace -d 'Namespace; all, if none is given' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -l kubeconfig -d 'The kubeconfig' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -l theme -d 'Colours: default, light, high-contrast, colour-blind, terminal, none' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -l config -d 'Configuration file' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -l dry-run -d 'Let the server say what it would do, and write nothing'
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -s y -l yes -d 'Do not ask'
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -l read-only -d 'Write nothing'
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -l ascii -d 'Draw with ASCII only'
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c autopilot -n "__fish_autopilot_using_subcommand decline" -s V -l version -d 'Print version'
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -s r -l reason -d 'Why; required to decline' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -l proposal -d 'Only if this is still the proposal (16 hex digits, from `get -o wide`)' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -l context-name -d 'With --yes in a context that is marked as production: its name' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -s o -l output -d 'Format of the answer' -r -f -a "json\t'As the cluster has it'
yaml\t'As the cluster has it'
wide\t'All columns'"
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -l context -d 'Context of the kubeconfig' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -s n -l namespace -d 'Namespace; all, if none is given' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -l kubeconfig -d 'The kubeconfig' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -l theme -d 'Colours: default, light, high-contrast, colour-blind, terminal, none' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -l config -d 'Configuration file' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -l dry-run -d 'Let the server say what it would do, and write nothing'
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -s y -l yes -d 'Do not ask'
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -l read-only -d 'Write nothing'
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -l ascii -d 'Draw with ASCII only'
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c autopilot -n "__fish_autopilot_using_subcommand delete" -s V -l version -d 'Print version'
complete -c autopilot -n "__fish_autopilot_using_subcommand watch" -s o -l output -d 'Format: text, or JSON lines' -r -f -a "json\t'As the cluster has it'
yaml\t'As the cluster has it'
wide\t'All columns'"
complete -c autopilot -n "__fish_autopilot_using_subcommand watch" -l timeout -d 'Leave after this many seconds' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand watch" -l context -d 'Context of the kubeconfig' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand watch" -s n -l namespace -d 'Namespace; all, if none is given' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand watch" -l kubeconfig -d 'The kubeconfig' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand watch" -l theme -d 'Colours: default, light, high-contrast, colour-blind, terminal, none' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand watch" -l config -d 'Configuration file' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand watch" -l read-only -d 'Write nothing'
complete -c autopilot -n "__fish_autopilot_using_subcommand watch" -l ascii -d 'Draw with ASCII only'
complete -c autopilot -n "__fish_autopilot_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c autopilot -n "__fish_autopilot_using_subcommand watch" -s V -l version -d 'Print version'
complete -c autopilot -n "__fish_autopilot_using_subcommand check" -l context -d 'Context of the kubeconfig' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand check" -s n -l namespace -d 'Namespace; all, if none is given' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand check" -l kubeconfig -d 'The kubeconfig' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand check" -l theme -d 'Colours: default, light, high-contrast, colour-blind, terminal, none' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand check" -l config -d 'Configuration file' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand check" -l read-only -d 'Write nothing'
complete -c autopilot -n "__fish_autopilot_using_subcommand check" -l ascii -d 'Draw with ASCII only'
complete -c autopilot -n "__fish_autopilot_using_subcommand check" -s h -l help -d 'Print help'
complete -c autopilot -n "__fish_autopilot_using_subcommand check" -s V -l version -d 'Print version'
complete -c autopilot -n "__fish_autopilot_using_subcommand keys" -l context -d 'Context of the kubeconfig' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand keys" -s n -l namespace -d 'Namespace; all, if none is given' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand keys" -l kubeconfig -d 'The kubeconfig' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand keys" -l theme -d 'Colours: default, light, high-contrast, colour-blind, terminal, none' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand keys" -l config -d 'Configuration file' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand keys" -l read-only -d 'Write nothing'
complete -c autopilot -n "__fish_autopilot_using_subcommand keys" -l ascii -d 'Draw with ASCII only'
complete -c autopilot -n "__fish_autopilot_using_subcommand keys" -s h -l help -d 'Print help'
complete -c autopilot -n "__fish_autopilot_using_subcommand keys" -s V -l version -d 'Print version'
complete -c autopilot -n "__fish_autopilot_using_subcommand completions" -l context -d 'Context of the kubeconfig' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand completions" -s n -l namespace -d 'Namespace; all, if none is given' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand completions" -l kubeconfig -d 'The kubeconfig' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand completions" -l theme -d 'Colours: default, light, high-contrast, colour-blind, terminal, none' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand completions" -l config -d 'Configuration file' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand completions" -l read-only -d 'Write nothing'
complete -c autopilot -n "__fish_autopilot_using_subcommand completions" -l ascii -d 'Draw with ASCII only'
complete -c autopilot -n "__fish_autopilot_using_subcommand completions" -s h -l help -d 'Print help'
complete -c autopilot -n "__fish_autopilot_using_subcommand completions" -s V -l version -d 'Print version'
complete -c autopilot -n "__fish_autopilot_using_subcommand man" -l context -d 'Context of the kubeconfig' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand man" -s n -l namespace -d 'Namespace; all, if none is given' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand man" -l kubeconfig -d 'The kubeconfig' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand man" -l theme -d 'Colours: default, light, high-contrast, colour-blind, terminal, none' -r
complete -c autopilot -n "__fish_autopilot_using_subcommand man" -l config -d 'Configuration file' -r -F
complete -c autopilot -n "__fish_autopilot_using_subcommand man" -l read-only -d 'Write nothing'
complete -c autopilot -n "__fish_autopilot_using_subcommand man" -l ascii -d 'Draw with ASCII only'
complete -c autopilot -n "__fish_autopilot_using_subcommand man" -s h -l help -d 'Print help'
complete -c autopilot -n "__fish_autopilot_using_subcommand man" -s V -l version -d 'Print version'
complete -c autopilot -n "__fish_autopilot_using_subcommand help; and not __fish_seen_subcommand_from get approve decline delete watch check keys completions man help" -f -a "get" -d 'List approvals, objects or rules'
complete -c autopilot -n "__fish_autopilot_using_subcommand help; and not __fish_seen_subcommand_from get approve decline delete watch check keys completions man help" -f -a "approve" -d 'Approve what is pending'
complete -c autopilot -n "__fish_autopilot_using_subcommand help; and not __fish_seen_subcommand_from get approve decline delete watch check keys completions man help" -f -a "decline" -d 'Decline what is pending'
complete -c autopilot -n "__fish_autopilot_using_subcommand help; and not __fish_seen_subcommand_from get approve decline delete watch check keys completions man help" -f -a "delete" -d 'Delete an approval: a declined object is asked about again'
complete -c autopilot -n "__fish_autopilot_using_subcommand help; and not __fish_seen_subcommand_from get approve decline delete watch check keys completions man help" -f -a "watch" -d 'Print changes as they come'
complete -c autopilot -n "__fish_autopilot_using_subcommand help; and not __fish_seen_subcommand_from get approve decline delete watch check keys completions man help" -f -a "check" -d 'Say whether cluster, kinds and permissions are fine'
complete -c autopilot -n "__fish_autopilot_using_subcommand help; and not __fish_seen_subcommand_from get approve decline delete watch check keys completions man help" -f -a "keys" -d 'Print the key table'
complete -c autopilot -n "__fish_autopilot_using_subcommand help; and not __fish_seen_subcommand_from get approve decline delete watch check keys completions man help" -f -a "completions" -d 'Print a completion script'
complete -c autopilot -n "__fish_autopilot_using_subcommand help; and not __fish_seen_subcommand_from get approve decline delete watch check keys completions man help" -f -a "man" -d 'Print the man page'
complete -c autopilot -n "__fish_autopilot_using_subcommand help; and not __fish_seen_subcommand_from get approve decline delete watch check keys completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
