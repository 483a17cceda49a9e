import { globalOptions, type Command } from './command.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof shells)[number];

/** A completion script for this shell, from the table of commands. Names of apps are asked of berthd when needed. */
export function completionScript(shell: Shell, commands: readonly Command[]): string {
  const shown = commands.filter((command) => command.hidden !== true);
  return { bash, zsh, fish }[shell](shown);
}

/** Prints the names of apps; needs nothing but a POSIX shell. */
const appNames = 'berth ps 2>/dev/null | sed \'1d;s/ .*//\'';

function optionWords(command: Command): string {
  return [...command.options, ...globalOptions].flatMap(({ name, short }) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]).join(' ');
}

function firstKind(command: Command): string {
  return command.args[0]?.kind ?? 'text';
}

/** What a command does, where its first argument says so: `list|add`. */
function actionWords(command: Command): string {
  return firstKind(command) === 'action' ? command.args[0]!.name.replaceAll('|', ' ') : '';
}

function bash(commands: readonly Command[]): string {
  const options = commands.map((command) => `      ${command.name}) words='${optionWords(command)}' kind=${firstKind(command)} actions='${actionWords(command)}' ;;`);
  return `# bash completion for berth: source it, or put it into /etc/bash_completion.d
_berth() {
  local current=\${COMP_WORDS[COMP_CWORD]} command= words= kind= actions= index
  for ((index = 1; index < COMP_CWORD; index += 1)); do
    case \${COMP_WORDS[index]} in
      --host) index=$((index + 1)) ;;
      -*) ;;
      *) command=\${COMP_WORDS[index]}; break ;;
    esac
  done
  case $command in
      '') words='${commands.map((command) => command.name).join(' ')} --host --json --help' ;;
${options.join('\n')}
  esac
  if [[ -n $command && $current != -* ]]; then
    case $kind in
      app) words=$(${appNames}) ;;
      command) words='${commands.map((command) => command.name).join(' ')}' ;;
      shell) words='${shells.join(' ')}' ;;
      action) compopt -o default; words=$actions ;;
      file | directory) compopt -o default; words= ;;
      *) words= ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _berth berth
`;
}

function zsh(commands: readonly Command[]): string {
  const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const describe = commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`);
  const cases = commands.map((command) => `    ${command.name}) options=(${optionWords(command)}) kind=${firstKind(command)} actions=(${actionWords(command)}) ;;`);
  return `#compdef berth
# zsh completion for berth: put it into a directory of $fpath as _berth
_berth() {
  local -a commands options actions names
  local command= kind= index
  commands=(
${describe.join('\n')}
  )
  for ((index = 2; index < CURRENT; index += 1)); do
    case $words[index] in
      --host) ((index += 1)) ;;
      -*) ;;
      *) command=$words[index]; break ;;
    esac
  done
  case $command in
    '') _describe command commands; return ;;
${cases.join('\n')}
  esac
  if [[ $PREFIX == -* ]]; then
    compadd -- $options
    return
  fi
  case $kind in
    app) names=(\${(f)"$(${appNames})"}); compadd -- $names ;;
    command) _describe command commands ;;
    shell) compadd -- ${shells.join(' ')} ;;
    action) compadd -- $actions; _files ;;
    directory) _files -/ ;;
    file) _files ;;
  esac
}
compdef _berth berth
`;
}

function fish(commands: readonly Command[]): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = ['# fish completion for berth: put it into ~/.config/fish/completions/berth.fish', 'complete -c berth -f'];
  for (const { name, value, short, summary } of globalOptions) {
    lines.push(`complete -c berth -l ${name}${short === undefined ? '' : ` -s ${short}`}${value === undefined ? '' : ' -x'} -d ${quote(summary)}`);
  }
  for (const command of commands) {
    const here = `-n ${quote(`__fish_seen_subcommand_from ${command.name}`)}`;
    lines.push(`complete -c berth -n __fish_use_subcommand -a ${command.name} -d ${quote(command.summary)}`);
    for (const { name, short, value, summary } of command.options) {
      lines.push(`complete -c berth ${here} -l ${name}${short === undefined ? '' : ` -s ${short}`}${value === undefined ? '' : ' -r'} -d ${quote(summary)}`);
    }
    const kind = firstKind(command);
    if (kind === 'app') lines.push(`complete -c berth ${here} -a ${quote(`(${appNames})`)}`);
    if (kind === 'command') lines.push(`complete -c berth ${here} -a ${quote(commands.map((entry) => entry.name).join(' '))}`);
    if (kind === 'shell') lines.push(`complete -c berth ${here} -a ${quote(shells.join(' '))}`);
    if (kind === 'action') lines.push(`complete -c berth ${here} -F -a ${quote(actionWords(command))}`);
    if (kind === 'file' || kind === 'directory') lines.push(`complete -c berth ${here} -F`);
  }
  return `${lines.join('\n')}\n`;
}
