#!/usr/bin/env bash
# Takes, keeps, lists, proves and restores backups of a Strait node. `backup.sh --help` says how; docs/recovery.md says why.

set -euo pipefail
umask 077
export LC_ALL=C

DAYS_KEPT=7
WEEKS_KEPT=4

# shellcheck disable=SC2016 # the backquotes are for the reader
usage() {
  printf '%s\n' \
    'Takes, keeps, lists, proves and restores backups of a Strait node.' \
    '' \
    'Usage: backup.sh [OPTIONS] COMMAND' \
    '' \
    'Commands:' \
    '  daily            take a backup, then let go of old ones: the last of each of 7 days and of 4 weeks stay' \
    '  now              take a backup that stays until you remove it' \
    '  list             show what there is, newest first' \
    '  verify [NAME]    restore one aside, fold its whole log, compare the state with the node'"'"'s own log' \
    '  restore [NAME]   make the log of a stopped node out of one; its folder must hold no log' \
    '' \
    'NAME is a name that `list` shows; without one the newest is meant.' \
    '' \
    'Options:' \
    '  --config FILE            configuration of the node       [STRAIT_CONFIG, /etc/strait/node.toml]' \
    '  --to DIR                 where backups lie               [STRAIT_BACKUP_DIR]' \
    '  --recipient AGE1...      encrypt to this age key         [STRAIT_BACKUP_RECIPIENT]; may be repeated' \
    '  --passphrase-file FILE   encrypt with, or decrypt by, the passphrase in this file, mode 600' \
    '  --identity FILE          decrypt with this age identity  [STRAIT_BACKUP_IDENTITY]' \
    '  --alone                  verify: judge the backup by itself, not by the log of the node' \
    '  --scratch DIR            where an unencrypted copy may lie meanwhile [STRAIT_BACKUP_SCRATCH, the node'"'"'s folder]' \
    '  --help                   this text' \
    '' \
    'The node may run while a backup is taken or verified. A backup holds the log and the modules of contracts.' \
    'The seed is never in it: keep its words on paper. Whoever reads an unencrypted backup sees every payment.' \
    '' \
    'DIR must be there: make it once, on another disk than the node'"'"'s, best below the place where that is mounted. A missing' \
    'disk is refused then, instead of being taken for an empty folder.' \
    '' \
    'A backup is refused when the newest one is of another node, or reaches further than the log does now: after a' \
    'restore, begin a new folder, and keep the old one. Never start two nodes on one seed. `verify` says the same of a sound' \
    'backup that is not the node'"'"'s, reaches further than the node does, or is older than all that the node still has: exit' \
    'code 3, unless --alone.' \
    '' \
    'Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused so that nothing is lost, 4 another run is at work.' \
    '' \
    'Environment: the variables in brackets; STRAIT_BIN, the `strait` to call [strait];' \
    'STRAIT_BACKUP_NOW, the time that the backup is named by, as 2026-11-21T03:00:00Z [the present].' \
    '' \
    'Examples:' \
    '  backup.sh --config /etc/strait/node.toml --to /var/backups/strait daily' \
    '  STRAIT_BACKUP_RECIPIENT=age1... backup.sh --to /backup daily' \
    '  backup.sh --to /backup --identity /root/backup.key verify' \
    '  backup.sh --to /backup --identity /root/backup.key restore daily-2026-11-21T030000Z'
}

say() { printf 'backup.sh: %s\n' "$*" >&2; }

fail() {
  local code=$1
  shift
  say "$*"
  exit "$code"
}

config=${STRAIT_CONFIG:-/etc/strait/node.toml}
folder=${STRAIT_BACKUP_DIR:-}
identity=${STRAIT_BACKUP_IDENTITY:-}
scratch=${STRAIT_BACKUP_SCRATCH:-}
passphrase_file=
alone=
strait=${STRAIT_BIN:-strait}
read -r -a recipients < <(printf '%s\n' "${STRAIT_BACKUP_RECIPIENT:-}")
given=()
command=
name=
partial=

while (($# > 0)); do
  case $1 in
    --help | -h)
      usage
      exit 0
      ;;
    --alone)
      alone=yes
      shift
      ;;
    --config | --to | --recipient | --passphrase-file | --identity | --scratch)
      (($# > 1)) || fail 2 "$1 wants a value; see --help"
      case $1 in
        --config) config=$2 ;;
        --to) folder=$2 ;;
        --recipient) given+=("$2") ;;
        --passphrase-file) passphrase_file=$2 ;;
        --identity) identity=$2 ;;
        --scratch) scratch=$2 ;;
      esac
      shift 2
      ;;
    -*) fail 2 "$1 is no option; see --help" ;;
    *)
      if [[ -z $command ]]; then
        command=$1
      elif [[ -z $name && ($command == verify || $command == restore) ]]; then
        name=$1
      else
        fail 2 "$1 is one argument too many; see --help"
      fi
      shift
      ;;
  esac
done

# What is asked for on the command line goes before the environment.
if ((${#given[@]} > 0)); then
  recipients=("${given[@]}")
fi
if [[ -n $passphrase_file ]]; then
  if ((${#given[@]} > 0)); then
    fail 2 "--recipient and --passphrase-file exclude each other"
  fi
  recipients=()
fi

# The value of one field of a manifest, which has one field a line.
field() {
  sed -n 's/^  "'"$1"'": "\{0,1\}\([^",]*\)"\{0,1\},\{0,1\}$/\1/p' "$2"
}

# The same for a number. Whoever can write the folder wrote it, and bash would run what stands in an expression.
number() {
  local value
  value=$(field "$1" "$2")
  [[ $value =~ ^(0|[1-9][0-9]{0,17})$ ]] || fail 1 "$2 has no number for $1: it is not a manifest of ours"
  printf '%s' "$value"
}

# The manifest of a backup, nothing if it is not whole.
manifest_of() {
  local backup
  for backup in "$folder/$1/strait.db" "$folder/$1/strait.db.age"; do
    if [[ -f $backup && -f $backup.json ]]; then
      printf '%s' "$backup.json"
      return
    fi
  done
}

# The names of all backups, newest first.
names() {
  local path
  for path in "$folder"/daily-* "$folder"/now-*; do
    if [[ -d $path ]]; then
      printf '%s\n' "${path##*/}"
    fi
  done | sort -t- -k2 -r
}

newest() {
  local each
  while read -r each; do
    if [[ -n $(manifest_of "$each") ]]; then
      printf '%s' "$each"
      return
    fi
  done < <(names)
}

# The manifest that reaches furthest; refuses a folder with the backups of several nodes.
furthest() {
  local each manifest found='' log='' seq most=-1
  while read -r each; do
    manifest=$(manifest_of "$each")
    [[ -n $manifest ]] || continue
    if [[ -n $log && $(field log_id "$manifest") != "$log" ]]; then
      fail 3 "$folder holds the backups of several nodes: give each a folder of its own"
    fi
    log=$(field log_id "$manifest")
    seq=$(number head_seq "$manifest")
    if ((seq > most)); then
      found=$manifest
      most=$seq
    fi
  done < <(names)
  printf '%s' "$found"
}

# Only one run at a time; what a run left that was killed goes now.
take_folder() {
  # A link would empty what it leads to.
  [[ ! -L $folder/.lock ]] || fail 3 "$folder/.lock is a link: somebody else writes there"
  exec 9>>"$folder/.lock"
  flock -n 9 || fail 4 "another run is at work in $folder"
  rm -rf "$folder"/.partial-*
}

clean_up() {
  if [[ -n $partial ]]; then
    rm -rf "$partial"
  fi
}

# Takes a backup under a name of its own, which it gets when it is whole.
take() {
  local kind=$1 now stamp last file newer arguments=()
  now=${STRAIT_BACKUP_NOW:-$(date -u +%Y-%m-%dT%H:%M:%SZ)}
  stamp=$(date -u -d "$now" +%Y-%m-%dT%H%M%SZ) || fail 2 "STRAIT_BACKUP_NOW=$now is no time"
  take_folder
  read -r last < <(names) || last=
  if [[ -n $last && ! $stamp > ${last#*-} ]]; then
    fail 3 "the newest backup is $last, and now it is $stamp: is the clock right?"
  fi
  newer=$(furthest)
  partial=$folder/.partial-$$
  mkdir "$partial"
  file=$partial/strait.db
  for recipient in "${recipients[@]}"; do
    arguments+=(--recipient "$recipient")
  done
  if [[ -n $passphrase_file ]]; then
    arguments+=(--passphrase-file "$passphrase_file")
  fi
  if ((${#arguments[@]} > 0)); then
    file=$file.age
  fi
  if [[ -n $newer ]]; then
    arguments+=(--not-behind "$newer")
  fi
  if [[ -n $scratch ]]; then
    arguments+=(--scratch "$scratch")
  fi
  call backup --no-stamp "${arguments[@]}" "$file"
  name=$kind-$stamp
  mv -T "$partial" "$folder/$name"
  partial=
  sync "$folder"
  call backup stamp "$folder/$name/${file##*/}.json"
}

# Calls strait; what it refuses is refused here.
call() {
  local code=0
  "$strait" "$@" --config "$config" || code=$?
  case $code in
    0) ;;
    3) fail 3 "refused, and nothing was changed in $folder: see above" ;;
    *) fail 1 "strait $1 failed: see above" ;;
  esac
}

# Removes daily backups beyond the last of each of so many days and weeks, but none that holds more than the newest.
rotate() {
  local newest=$1 head log each manifest day week seq
  local -A days=() weeks=()
  head=$(number head_seq "$(manifest_of "$newest")")
  log=$(field log_id "$(manifest_of "$newest")")
  while read -r each; do
    manifest=$(manifest_of "$each")
    if [[ $each != daily-* || -z $manifest ]]; then
      continue
    fi
    day=${each#daily-}
    day=${day%%T*}
    week=$(date -u -d "$day" +%G-%V)
    seq=$(number head_seq "$manifest")
    if [[ -z ${days[$day]:-} ]] && ((${#days[@]} < DAYS_KEPT)); then
      days[$day]=$each
      : "${weeks[$week]:=$each}"
    elif [[ -z ${weeks[$week]:-} ]] && ((${#weeks[@]} < WEEKS_KEPT)); then
      weeks[$week]=$each
    elif ((seq > head)) || [[ $(field log_id "$manifest") != "$log" ]]; then
      fail 3 "$each is due to go, and holds more than $newest: it stays; look at both"
    else
      rm -rf "${folder:?}/$each"
      say "let go of $each"
    fi
  done < <(names)
}

list() {
  local each manifest ms taken seq bytes
  printf '%-28s %12s %14s %-11s %s\n' name head_seq bytes sealed_to taken
  while read -r each; do
    manifest=$(manifest_of "$each")
    if [[ -z $manifest ]]; then
      printf '%-28s %12s\n' "$each" incomplete
      continue
    fi
    ms=$(number taken_at_ms "$manifest")
    seq=$(number head_seq "$manifest")
    bytes=$(number bytes "$manifest")
    taken=$(date -u -d "@$((ms / 1000))" +%Y-%m-%dT%H:%M:%SZ)
    printf '%-28s %12s %14s %-11s %s\n' "$each" "$seq" "$bytes" \
      "$(field sealed_to "$manifest")" "$taken"
  done < <(names)
}

# The file of the backup that is meant.
chosen() {
  local manifest
  if [[ -z $name ]]; then
    name=$(newest)
  fi
  [[ -n $name ]] || fail 1 "there is no backup in $folder"
  manifest=$(manifest_of "$name")
  [[ -n $manifest ]] || fail 1 "$folder holds no whole backup $name: see \`list\`"
  printf '%s' "${manifest%.json}"
}

# What opens a backup.
keys() {
  local sealed
  sealed=$(field sealed_to "$1.json")
  case $sealed in
    recipients)
      [[ -n $identity ]] || fail 2 "$1 is encrypted to a key: give --identity FILE"
      opening=(--identity "$identity")
      ;;
    passphrase)
      [[ -n $passphrase_file ]] || fail 2 "$1 is encrypted: give --passphrase-file FILE"
      opening=(--passphrase-file "$passphrase_file")
      ;;
    *) opening=() ;;
  esac
  if [[ -n $scratch ]]; then
    opening+=(--scratch "$scratch")
  fi
}

case $command in
  daily | now | list | verify | restore) ;;
  '') fail 2 "say what to do: daily, now, list, verify or restore; see --help" ;;
  *) fail 2 "$command is no command; see --help" ;;
esac
[[ -z $alone || $command == verify ]] || fail 2 "--alone is for verify; see --help"
[[ -n $folder ]] || fail 2 "say where backups lie: --to DIR or STRAIT_BACKUP_DIR"
# A folder that is missing may be a disk that is: one made here would lie on the node's own, and nobody would notice.
[[ -d $folder ]] ||
  fail 3 "$folder is not there: mount the disk that it lies on, or make it once: install -d -m 700 $folder"
for tool in "$strait" flock; do
  command -v "$tool" >/dev/null || fail 1 "$tool is not there"
done
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

opening=()
case $command in
  daily)
    take daily
    rotate "$name"
    say "made $name"
    ;;
  now)
    take now
    say "made $name"
    ;;
  list) list ;;
  verify)
    file=$(chosen)
    keys "$file"
    if [[ -n $alone ]]; then
      opening+=(--alone)
    fi
    call backup verify "${opening[@]}" "$file"
    say "$file is sound"
    ;;
  restore)
    file=$(chosen)
    keys "$file"
    call restore "${opening[@]}" "$file"
    say "restored from $file; start the node, then look at \`strait recover\`"
    ;;
esac
