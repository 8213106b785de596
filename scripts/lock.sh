#!/bin/sh
# Compiles each dependency group to a requirements file with hashes and without host names.
# The development lock is a constraint of the functions' locks: the tested versions are the deployed versions.
set -eu
compile() { # GROUP [uv options]
    group=$1; shift
    "$BIN/uv" pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
        --group "pyproject.toml:$group" --output-file "requirements/$group.txt" "$@"
}
compile dev --universal --python-version 3.11
compile post-confirmation --universal --python-version 3.11 --constraint requirements/dev.txt
compile enrich-profile --universal --python-version 3.11 --constraint requirements/dev.txt
compile reconcile --universal --python-version 3.11 --constraint requirements/dev.txt
compile bench --universal --python-version 3.11 --constraint requirements/dev.txt
for tool in sam checkov pip-audit runtime-client; do compile $tool --universal --python-version 3.11; done
