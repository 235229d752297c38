/* The vault's flat image, carried inside ours; MVP_VAULT_BLOB is its path at build time. */
	.section .vault_blob, "a"
	.balign	16
	.global vault_blob
	.global vault_blob_end
vault_blob:
	.incbin	MVP_VAULT_BLOB
vault_blob_end:
	.balign	16
