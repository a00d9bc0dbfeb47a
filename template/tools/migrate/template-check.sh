#!/bin/sh
# Names every file that an update of the template left unfinished, or takes from the service. A shell script, because from such files no program can be built.
set -eu
unset CDPATH

cd "$(dirname "$0")/../.."
# A git hook's variables would lead to another index than the one of this checkout.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_COMMON_DIR GIT_OBJECT_DIRECTORY GIT_PREFIX

top=$(git rev-parse --show-cdup 2>&1) || {
	printf 'migrate: git knows no repository around this folder (%s): run it in a checkout of the service\n' "$top" >&2
	exit 1
}

# named SENTENCE: one line for each file of the standard input.
named() {
	sort -u | sed "s|^|migrate: |; s|\$| $1|"
}

# unfinished FILE...: what git's patterns name holds both sides of a conflict.
unfinished() {
	# Whatever git is told elsewhere about colours and submodules; 1 says that there is none.
	marked=$(git -c core.quotePath=false grep --untracked --no-recurse-submodules --no-color -I --files-with-matches -E '^(<{7}|>{7}) ' -- "$@") ||
		[ $? -eq 1 ] || exit 1
	printf '%s' "$marked" | named 'holds conflict markers (<<<<<<<, >>>>>>>): keep what you want of both sides, and delete the markers'
	git -c core.quotePath=false ls-files --unmerged -- "$@" | cut -f2 |
		named 'is not merged: decide what it shall be, then git add it'
}

# rejected FILE...: Copier put a change aside under one of these names, which git may ignore.
rejected() {
	git -c core.quotePath=false ls-files --cached --others -- "$@" |
		named 'holds a change that could not be merged: make the change by hand, then delete this file'
}

# lost: an update that is not committed yet deletes what the template has no more for these answers, edited or not. What was
# changed in a commit that is no update of the template, was edited.
lost() {
	answers=.copier-answers.yml
	git rev-parse --quiet --verify HEAD >/dev/null || return 0
	! git diff --quiet HEAD -- "$answers" || return 0
	updates=$(git log --format=%H -- "$answers")
	git -c core.quotePath=false diff --name-only --no-renames --relative --diff-filter=D HEAD -- . | while read -r file; do
		git log --format=%H -- "$file" | grep -qvxF "$updates" || continue
		printf 'migrate: %s was edited here, and the update deletes it: bring it back with git checkout HEAD -- %s, or commit to let it go\n' "$file" "$file"
	done
}

found=$(
	unfinished .
	rejected '*.rej'
	lost
	# At the root of a monorepo lie files of the template too, and no such script.
	if [ -n "$top" ] && grep -qs '^layout: monorepo-root' "$top.copier-answers.yml"; then
		unfinished ':(top).copier-answers.yml' ':(top).github' ':(top)monitoring'
		rejected ':(top).copier-answers.yml.rej' ':(top,glob).github/**/*.rej' ':(top,glob)monitoring/**/*.rej'
	fi
)
[ -z "$found" ] || {
	printf '%s\n' "$found" >&2
	exit 1
}
