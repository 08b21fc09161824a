# /etc/profile.d/auditbridge.sh: shows, before the prompt of an interactive shell, that auditing does not work.
# All of the message when it is new to this shell, its first line before every other prompt; nothing while all is
# well. It starts no program, and shows no other file, whatever the environment says. bash and zsh ask it before a prompt; other shells show the message of the day only.
__auditbridge_seen=
__auditbridge_banner() {
	[ -r /run/auditbridge/banner ] || { __auditbridge_seen=; return 0; }
	IFS= read -r __auditbridge_first </run/auditbridge/banner || return 0
	if [ "$__auditbridge_first" = "$__auditbridge_seen" ]; then
		printf '%s\n' "$__auditbridge_first"
		return 0
	fi
	__auditbridge_seen=$__auditbridge_first
	while IFS= read -r __auditbridge_line; do
		printf '%s\n' "$__auditbridge_line"
	done </run/auditbridge/banner
	return 0
}
case $- in
*i*)
	if [ -n "${BASH_VERSION-}" ]; then
		case ${PROMPT_COMMAND-} in
		*__auditbridge_banner*) ;;
		*)
			PROMPT_COMMAND="${PROMPT_COMMAND-}
__auditbridge_banner"
			;;
		esac
	elif [ -n "${ZSH_VERSION-}" ]; then
		eval 'precmd_functions=(${precmd_functions:#__auditbridge_banner} __auditbridge_banner)'
	fi
	;;
esac
