"""The command tree -> completions for bash, zsh and fish. Static: a TAB starts no Python.

Names are not static: `qasino __complete tables` tells those of tables from a file it keeps, and
asks a server only where that file is old; `qasino __complete servers` those of config.yaml. It is
the `qasino` being typed that is asked: one in a directory of its own need not be in PATH.
"""

from __future__ import annotations

from collections.abc import Iterable

from qasino_cli.reference.tree import PROGRAM, Command, Option, own_options

HOOK = "__complete"
HOOKED = ("tables", "servers")
"""What completes by names that the hook tells."""
NOTE = "made by python -m qasino_cli.reference; what is changed here is lost"


def bash(tree: list[Command]) -> str:
    """For bash, with and without the package bash-completion."""
    cases = "\n".join(_bash_case(command) for command in tree)
    names = " ".join(command.name for command in tree)
    return f"""\
# bash completion for {PROGRAM} - {NOTE}

_{PROGRAM}_words() {{
    local IFS=$'\\n'
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}}

_{PROGRAM}_list() {{
    local IFS=$'\\n' named= left= word
    [[ $cur == *,* ]] && named=${{cur%,*}},
    for word in $1; do
        [[ ,$named == *,$word,* ]] || left+=$word$'\\n'
    done
    COMPREPLY=($(compgen -P "$named" -W "$left" -- "${{cur##*,}}"))
}}

_{PROGRAM}_names() {{
    local IFS=$'\\n' program=${{COMP_WORDS[0]/#\\~\\//$HOME/}}
    COMPREPLY=($(compgen -W "$("$program" {HOOK} "$1" "" "$COMP_LINE" 2>/dev/null)" -- "$cur"))
}}

_{PROGRAM}_files() {{
    local IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen "$1" -- "$cur"))
}}

_{PROGRAM}() {{
    local cur prev command= i
    cur=${{COMP_WORDS[COMP_CWORD]}}
    prev=${{COMP_WORDS[COMP_CWORD - 1]}}
    # --option=value comes as three words
    if [[ $cur == "=" ]]; then
        cur=
    elif [[ $prev == "=" ]]; then
        prev=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${{COMP_WORDS[i]}} != -* ]]; then
            command=${{COMP_WORDS[i]}}
            break
        fi
    done
    case $command in
    "")
        _{PROGRAM}_words $'{_lines([*names.split(), *_flags(own_options())])}'
        ;;
{cases}
    esac
}}

complete -F _{PROGRAM} {PROGRAM}
"""


def _bash_case(command: Command) -> str:
    lines = [f"    {command.name})", "        case $prev in"]
    for option in command.options:
        if option.metavar:
            lines.append(f"        {'|'.join(option.flags)})")
            lines.append(f"            {_bash_value(option)}")
            lines.append("            return ;;")
    lines.append("        esac")
    lines.append("        if [[ $cur == -* ]]; then")
    lines.append(f"            _{PROGRAM}_words $'{_lines(_flags(command.options))}'")
    if command.takes_files:
        lines += ["        else", f"            _{PROGRAM}_files -f"]
    lines += ["        fi", "        ;;"]
    return "\n".join(lines)


def _bash_value(option: Option) -> str:
    if option.completes in ("choices", "list"):
        words = {"choices": "words", "list": "list"}[option.completes]
        return f"_{PROGRAM}_{words} $'{_lines(option.choices)}'"
    if option.completes in HOOKED:
        return f"_{PROGRAM}_names {option.completes}"
    return {"files": f"_{PROGRAM}_files -f", "directories": f"_{PROGRAM}_files -d"}.get(
        option.completes, ":"
    )


def _flags(options: Iterable[Option]) -> list[str]:
    return [flag for option in options for flag in option.flags]


def _lines(words: Iterable[str]) -> str:
    return "\\n".join(words)


def zsh(tree: list[Command]) -> str:
    """For zsh, as a file `_qasino` in its fpath."""
    listed = "\n".join(f"        {_zsh_quoted(f'{c.name}:{c.help}')}" for c in tree)
    cases = "\n".join(_zsh_case(command) for command in tree)
    own = " \\\n".join(f"        {_zsh_option(option, '- *')}" for option in own_options())
    return f"""\
#compdef {PROGRAM}
# {NOTE}

_{PROGRAM}_names() {{
    local -a names
    # _arguments puts options for compadd before; words begin at the command, without $program
    names=(${{(f)"$(${{(Q)~program}} {HOOK} $@[-1] "" "{PROGRAM} ${{(j: :)words}}" 2>/dev/null)"}})
    compadd "${{(@)argv[1,-2]}}" -a names
}}

_{PROGRAM}() {{
    local context state state_descr line program=$words[1]
    typeset -A opt_args
    local -a listed
    listed=(
{listed}
    )
    _arguments -C \\
{own} \\
        '1:command:->command' \\
        '*::argument:->argument'
    case $state in
    command)
        _describe command listed
        ;;
    argument)
        case $words[1] in
{cases}
        esac
        ;;
    esac
}}

_{PROGRAM} "$@"
"""


def _zsh_case(command: Command) -> str:
    specs = [_zsh_option(option) for option in command.options]
    if command.takes_files:
        specs.append("'*:file:_files'")
    elif command.argument:
        specs.append(_zsh_quoted(f"1:{command.argument}:"))
    joined = " \\\n".join(f"                {spec}" for spec in specs)
    return f"        {command.name})\n            _arguments -s \\\n{joined}\n            ;;"


def _zsh_option(option: Option, instead_of: str = "") -> str:
    """`instead_of` is what is not offered beside it, where that is more than itself."""
    help = option.help.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    help = help.replace(":", "\\:")
    value = f":{option.metavar.replace(':', ' ')}:{_zsh_value(option)}" if option.metavar else ""
    if len(option.flags) == 1:
        star = "*" if option.repeats else ""
        return _zsh_quoted(f"{star}{_zsh_flag(option.flags[0], value)}[{help}]{value}")
    flags = ",".join(_zsh_flag(flag, value) for flag in option.flags)
    before = "'*'" if option.repeats else f"'({instead_of or ' '.join(option.flags)})'"
    return f"{before}{{{flags}}}{_zsh_quoted(f'[{help}]{value}')}"


def _zsh_flag(flag: str, value: str) -> str:
    """A long one takes its value after `=` too, a short one in the same word."""
    if not value:
        return flag
    return f"{flag}=" if flag.startswith("--") else f"{flag}+"


def _zsh_value(option: Option) -> str:
    if option.completes == "choices":
        return f"({' '.join(option.choices)})"
    if option.completes == "list":
        return f"_values -s , {option.metavar} {' '.join(option.choices)}"
    if option.completes in HOOKED:
        return f"_{PROGRAM}_names {option.completes}"
    actions = {"files": "_files", "directories": "_files -/"}
    return actions.get(option.completes, "")


def _zsh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_FISH = f"""
function __{PROGRAM}_names
    set -l program (string replace -r '^~/' $HOME/ -- (commandline -opc)[1])
    command $program {HOOK} $argv[1] "" (commandline -p | string collect) 2>/dev/null
end

function __{PROGRAM}_list
    set -l named (commandline -ct | string replace -r '^--[^=]*=' '' | string split ,)
    set -e named[-1]
    for word in $argv
        contains -- $word $named; or string join , -- $named $word
    end
end
"""


def fish(tree: list[Command]) -> str:
    """For fish 3 and newer."""
    lines = [f"# fish completion for {PROGRAM} - {NOTE}", _FISH, f"complete -c {PROGRAM} -f"]
    lines += [
        f"complete -c {PROGRAM} -n __fish_use_subcommand {_fish_option(o)}" for o in own_options()
    ]
    for command in tree:
        lines.append(
            f"complete -c {PROGRAM} -n __fish_use_subcommand -a {command.name}"
            f" -d {_fish_quoted(command.help)}"
        )
    for command in tree:
        seen = f"-n '__fish_seen_subcommand_from {command.name}'"
        lines += [f"complete -c {PROGRAM} {seen} {_fish_option(o)}" for o in command.options]
        if command.takes_files:
            lines.append(f"complete -c {PROGRAM} {seen} -F")
    return "\n".join(lines) + "\n"


def _fish_option(option: Option) -> str:
    parts = []
    for flag in option.flags:
        parts.append(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}")
    parts.append(f"-d {_fish_quoted(option.help)}")
    if option.metavar:
        parts.append(
            {
                "choices": f"-x -a {_fish_quoted(' '.join(option.choices))}",
                "list": f"-x -a '(__{PROGRAM}_list {' '.join(option.choices)})'",
                **{what: f"-x -a '(__{PROGRAM}_names {what})'" for what in HOOKED},
                "directories": "-x -a '(__fish_complete_directories)'",
                "files": "-r -F",
            }.get(option.completes, "-x")
        )
    return " ".join(parts)


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
