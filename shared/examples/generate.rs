//! Writes the files that are made from code: the CRDs in `deploy/crds`.

use std::path::Path;

#[path = "../tests/crds/mod.rs"]
mod crds;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds");
    std::fs::create_dir_all(&folder)?;
    for (name, content) in crds::files()? {
        std::fs::write(folder.join(name), content)?;
        println!("deploy/crds/{name}");
    }
    Ok(())
}
