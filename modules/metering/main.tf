data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  # Not `name`, deprecated in provider 6, nor `region`, missing in provider 5.
  region = data.aws_region.current.id

  function_name          = "${var.name}-metering"
  retry_queue_name       = "${var.name}-metering-retry"
  dead_letter_queue_name = "${var.name}-metering-dead-letter"
  # Roles are global: with the region in the name, one account meters several regions under one `name`.
  role_name = "${var.name}-metering-${local.region}"
}
