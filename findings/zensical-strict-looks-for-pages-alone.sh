#!/bin/sh
# zensical build --strict fails for a link to a page that is missing, and for an anchor that its page does not have. A link to any other
# file that is missing, and an image that is missing, it passes: "No issues found", exit code 0, and the site has a dead link. The
# documentation speaks of the links of a project without saying that only those to pages are looked at. Whoever moves a
# picture or a downloadable file needs a check of their own; MkDocs 1.6, which zensical reads the configuration of, warns of all four.
#
# Seen: with zensical 0.0.73 beside mkdocs 1.6.1, on one page with one link each. Needs Python 3.11. Ends with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check zensical==0.0.73 mkdocs==1.6.1

mkdir docs
printf 'site_name: site\ndocs_dir: docs\nvalidation:\n  anchors: warn\n' > mkdocs.yml
printf '[project]\nsite_name = "site"\ndocs_dir = "docs"\n' > zensical.toml
tell() {
    printf '# Start\n\n%s\n' "$2" > docs/index.md
    venv/bin/zensical build --strict -f zensical.toml > log 2>&1 && zensical=passes || zensical=fails
    venv/bin/mkdocs build --strict -d other > log 2>&1 && mkdocs=passes || mkdocs=fails
    echo "$1: zensical $zensical, mkdocs $mkdocs"
}
{
    tell "nothing missing" "text"
    tell "a page" "[x](none.md)"
    tell "an anchor" "[x](#none)"
    tell "an image" "![x](none.png)"
    tell "another file" "[x](none.txt)"
} | tee found
cat > expected << 'END'
nothing missing: zensical passes, mkdocs passes
a page: zensical fails, mkdocs fails
an anchor: zensical fails, mkdocs fails
an image: zensical passes, mkdocs fails
another file: zensical passes, mkdocs fails
END
cmp found expected
