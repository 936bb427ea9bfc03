"""Images, identities, cameras: data sets, splits and batches."""
