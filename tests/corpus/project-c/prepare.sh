mkdir -p tool-1.0
echo 'int main(void) { return 0; }' >tool-1.0/tool.c
echo '#pragma once' >tool-1.0/tool.h
cat >tool-1.0/configure <<'END'
#!/bin/sh
for word; do
    case $word in
        --prefix=*) echo "prefix=${word#*=}" ;;
        --host=*) echo "host=${word#*=}" ;;
    esac
done >config.status
END
chmod 755 tool-1.0/configure
tar --sort=name --mtime=@1400000000 --owner=1000 --group=1000 --numeric-owner -czf tool-1.0.tar.gz tool-1.0
rm -r tool-1.0
