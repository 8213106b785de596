#!/bin/sh
# Compiles each dependency group to a requirements file with hashes and no host name.
# The development lock comes first and constrains the functions' locks: what is tested is what ships.
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
for tool in sam checkov pip-audit; do compile $tool --universal --python-version 3.11; done
