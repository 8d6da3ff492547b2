# Sourced by the benches that run stores, from the root of the repository: what they need, and the program.
export PATH="$PATH:/usr/sbin"

# Builds postern in release mode, unless the arguments name a --binary.
release() {
  case " $* " in
    *" --binary"*) ;;
    *) cargo build --release --locked >&2 ;;
  esac
}
