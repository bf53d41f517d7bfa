//! Files that real servers wrote (`tests/compat/rdb/`): loaded by our server, they give the keys
//! and the `DEBUG DIGEST` that Redis 7.0.15 shows for the same data. Nothing has to be installed.

use std::path::Path;

use crate::support::{Program, Server};

/// Keys and keys with a deadline of a database.
type Sizes = (usize, usize);

/// Which databases the files have data in.
const DATABASES: [u32; 4] = [0, 1, 9, 15];

struct Captured {
    file: &'static str,
    digest: &'static str,
    sizes: [Sizes; 4],
}

impl Captured {
    fn bytes(&self) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/rdb");
        std::fs::read(folder.join(self.file)).expect("it is part of the tests")
    }

    fn check(&self, server: &Server) {
        for (db, (keys, expires)) in DATABASES.into_iter().zip(self.sizes) {
            let said = server.info(&format!("db{db}"));
            let expected = format!("keys={keys},expires={expires},");
            assert!(said.starts_with(&expected), "db{db} has {said}, not {expected}");
        }
        assert_eq!(server.digest(), self.digest);
    }

    /// Loads it at the start, and once more what we made of it.
    fn load(&self, directives: &[&str]) -> Server {
        let mut server = Server::prepare(Program::Ours);
        server.configure(directives);
        std::fs::write(server.dir().join("dump.rdb"), self.bytes()).expect("written");
        server.launch();
        self.check(&server);
        server.query::<()>(&["DEBUG", "RELOAD"]);
        self.check(&server);
        server
    }
}

macro_rules! captured {
    ($($test:ident: $file:literal $digest:literal $sizes:expr;)*) => {
        $(
            #[test]
            fn $test() {
                Captured { file: $file, digest: $digest, sizes: $sizes }.load(&[]);
            }
        )*
    };
}

captured! {
    redis_7_0_15_basic_types: "redis-7.0.15-basic-types.rdb"
        "6181590781cb6020afbc33744b481170b7b24da3" [(67, 9), (67, 12), (67, 15), (67, 8)];
}
