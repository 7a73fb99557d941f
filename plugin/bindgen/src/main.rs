//! `crowdfold-bindgen <wasm> <directory>`: writes `crowdfold_plugin.js`, its
//! types and `crowdfold_plugin_bg.wasm`.

use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err("usage: crowdfold-bindgen <wasm> <directory>".into());
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(input).out_name("crowdfold_plugin").typescript(true).remove_name_section(true);
    bindgen.web(true)?.generate(output)?;
    Ok(())
}
