//! The name and the flags of the shared library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if linux {
        // The number is that of `vap_abi_version`. Threads of the library may outlive a `dlclose`.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libvantage_pool.so.1");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
