//! The program `crowdfold`.

fn main() -> std::process::ExitCode {
    crowdfold::cli::run()
}
