"""Jobs that make assets: a selection is the whole definition."""

import dagster as dg

# Without a selection: all assets of the code location.
all_assets_job = dg.define_asset_job("all_assets_job")

# The shortest selection is the name of an asset.
asset1_job = dg.define_asset_job("asset1_job", selection="asset1")

# One plus is one layer: asset1 and asset2, not asset3.
downstream_job = dg.define_asset_job("downstream_job", selection="asset1+")

# In front it goes the other way: asset3 and asset2.
upstream_job = dg.define_asset_job("upstream_job", selection="+asset3")

# As typed into the launchpad of the web interface, where the plus means all layers.
all_downstream_job = dg.define_asset_job("all_downstream_job", selection='key:"asset1"+')
