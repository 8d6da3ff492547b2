# Sourced by the benches that run stores, from the root of the repository: what they need, and the program.
export PATH="$PATH:/usr/sbin"

# Makes sure that these are there: postgres, redis, or commands.
needed() {
  local what
  for what in "$@"; do
    case $what in
      postgres) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || bash scripts/need.sh initdb postgresql ;;
      redis)
        bash scripts/need.sh redis-server redis-server
        bash scripts/need.sh redis-cli redis-tools
        ;;
      nginx) bash scripts/need.sh nginx nginx-light ;;
      *) bash scripts/need.sh "$what" "$what" ;;
    esac
  done
}

# Builds postern in release mode, unless the arguments name a --binary.
release() {
  case " $* " in
    *" --binary"*) ;;
    *) cargo build --release --locked >&2 ;;
  esac
}
