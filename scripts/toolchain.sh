# Sourced: makes `cargo` available, or says how to get it.
if ! command -v cargo >/dev/null 2>&1; then
  if [ -f "$HOME/.cargo/env" ]; then
    # shellcheck disable=SC1091
    . "$HOME/.cargo/env"
  elif command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && apt-get install -qq -y rustup gcc && rustup default stable
  else
    echo "Rust is not installed: see https://rustup.rs (the version is in rust-toolchain.toml)" >&2
    exit 1
  fi
fi
