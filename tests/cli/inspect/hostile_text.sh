# What a stranger's image says is text, not commands for the terminal, and makes no lines of its own.
python3 - <<'END'
import struct
fs = bytearray(8192)
fs[1024 + 0x38:1024 + 0x3a] = b"\x53\xef"
fs[1024 + 0x78:1024 + 0x88] = b"a\x1b[2J\nok  boot\r\x7f"
open("fs.img", "wb").write(fs)
boot = bytearray(8192)
boot[0:8] = b"ANDROID!"
struct.pack_into("<I", boot, 36, 2048)
struct.pack_into("<I", boot, 8, 1)
boot[64:80] = b"\x1b]0;title\x07\xc2\x9bend"
open("boot.img", "wb").write(boot)
END
mvpctl inspect fs.img
mvpctl inspect boot.img
